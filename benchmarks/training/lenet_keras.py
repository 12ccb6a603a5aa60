"""LeNet as one writes it by hand in Keras: `python lenet_keras.py mnist_10k.npz EPOCHS`."""

import math

import keras
from keras import layers
from reading import COMPILED, Clock, arguments, digits

path, epochs = arguments()
train, valid = digits(path)
keras.utils.set_random_seed(0)
model = keras.Sequential([
    keras.Input((28, 28, 1)),
    layers.Conv2D(6, 5, padding="same", activation="relu"), layers.MaxPooling2D(),
    layers.Conv2D(16, 5, activation="relu"), layers.MaxPooling2D(), layers.Flatten(),
    layers.Dense(120, activation="relu"), layers.Dense(84, activation="relu"), layers.Dense(10),
])  # fmt: skip
steps = epochs * math.ceil(len(train["y"]) / 64)
model.compile(
    keras.optimizers.Adam(keras.optimizers.schedules.CosineDecay(2e-3, steps)),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    jit_compile=COMPILED,
    metrics=["accuracy"],
)
clock = Clock()
told = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: clock.epoch())
found = model.fit(
    train["x"][..., None], train["y"], batch_size=64, epochs=epochs, verbose=0, callbacks=[told],
    validation_data=(valid["x"][..., None], valid["y"]),
)  # fmt: skip
assert found.history["val_accuracy"][-1] > 0.8
