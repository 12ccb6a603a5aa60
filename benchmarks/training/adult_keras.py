"""A network over the census, by hand in Keras: `python adult_keras.py train.csv.gz EPOCHS`."""

import math

import keras
from keras import layers
from reading import COMPILED, Clock, arguments, census

path, epochs = arguments()
train, valid = census(path)
keras.utils.set_random_seed(0)
numbers, words = keras.Input((6,)), keras.Input((8,), dtype="int64")
x = layers.concatenate([numbers, layers.Flatten()(layers.Embedding(120, 8)(words))])
for _ in range(2):
    x = layers.Dropout(0.2)(layers.Dense(64, activation="relu")(x))
model = keras.Model([numbers, words], layers.Dense(1)(x))
per_epoch = math.ceil(len(train["rich"]) / 256)
rate = keras.optimizers.schedules.CosineDecay(
    0.0, (epochs - 1) * per_epoch, warmup_target=2e-3, warmup_steps=per_epoch
)
optimizer = keras.optimizers.AdamW(rate, weight_decay=0.01)
optimizer.exclude_from_weight_decay(var_names=["bias"])
model.compile(
    optimizer,
    keras.losses.BinaryCrossentropy(from_logits=True),
    jit_compile=COMPILED,
    metrics=[
        keras.metrics.BinaryAccuracy("accuracy", threshold=0.0),
        keras.metrics.AUC(from_logits=True),
    ],
)
clock = Clock()
told = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: clock.epoch())
found = model.fit(
    [train["numbers"], train["words"]], train["rich"], batch_size=256, epochs=epochs, verbose=0,
    callbacks=[told], validation_data=([valid["numbers"], valid["words"]], valid["rich"]),
)  # fmt: skip
assert found.history["val_accuracy"][-1] > 0.8
