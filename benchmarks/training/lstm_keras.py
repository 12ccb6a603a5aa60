"""An LSTM over sentences, by hand in Keras: `python lstm_keras.py train.tsv EPOCHS`."""

import keras
from keras import layers
from reading import COMPILED, Clock, arguments, divided, sentences

path, epochs = arguments()
ids, labels = sentences(path)
words = keras.utils.pad_sequences(ids, padding="post")
train, valid = divided({"x": words, "y": labels})
keras.utils.set_random_seed(0)
model = keras.Sequential([
    keras.Input((words.shape[1],), dtype="int64"), layers.Embedding(6000, 64, mask_zero=True),
    layers.LSTM(128), layers.Dense(2),
])  # fmt: skip
model.compile(
    keras.optimizers.Adam(1e-3, global_clipnorm=1.0),
    keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    jit_compile=COMPILED,
    metrics=["accuracy"],
)
clock = Clock()
told = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: clock.epoch())
model.fit(
    train["x"], train["y"], batch_size=32, epochs=epochs, verbose=0, callbacks=[told],
    validation_data=(valid["x"], valid["y"]),
)  # fmt: skip
