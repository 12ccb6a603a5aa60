"""A character transformer by hand in Keras: `python chargpt_keras.py input.txt TENTHS`.

An epoch is a tenth of the steps: 30, and an evaluation of all windows of the rest.
"""

import keras
import numpy as np
import tensorflow as tf
from keras import layers, ops
from reading import COMPILED, Clock, arguments, characters

WIDTH, HEADS, DEPTH, CONTEXT, VOCAB, BATCH = 128, 4, 4, 64, 65, 12
path, tenths = arguments()
train, valid = characters(path)
keras.utils.set_random_seed(0)


class Embed(layers.Layer):
    """Tokens and their places; the same table scores the classes."""

    def build(self, shape: object) -> None:
        self.tokens = layers.Embedding(VOCAB, WIDTH)
        self.tokens.build(shape)
        self.places = self.add_weight(shape=(CONTEXT, WIDTH), name="places")

    def call(self, x, reverse: bool = False):
        if reverse:
            return ops.matmul(x, ops.transpose(self.tokens.embeddings))
        return self.tokens(x) + self.places


embed = Embed()
ids = keras.Input((CONTEXT,), dtype="int64")
x = embed(ids)
for _ in range(DEPTH):
    h = layers.LayerNormalization(epsilon=1e-5)(x)
    x = x + layers.MultiHeadAttention(HEADS, WIDTH // HEADS)(h, h, use_causal_mask=True)
    h = layers.LayerNormalization(epsilon=1e-5)(x)
    h = layers.Dense(4 * WIDTH, activation=lambda v: keras.activations.gelu(v, approximate=True))(h)
    x = x + layers.Dense(WIDTH)(h)
model = keras.Model(ids, embed(layers.LayerNormalization(epsilon=1e-5)(x), reverse=True))
rate = keras.optimizers.schedules.CosineDecay(
    0.0, 30 * tenths - 100, alpha=0.1, warmup_target=1e-3, warmup_steps=100
)
optimizer = keras.optimizers.AdamW(
    rate, weight_decay=0.1, beta_2=0.99, epsilon=1e-8, global_clipnorm=1.0
)
optimizer.exclude_from_weight_decay(var_names=["bias", "gamma", "beta"])
model.compile(
    optimizer, keras.losses.SparseCategoricalCrossentropy(from_logits=True), jit_compile=COMPILED
)


def windows(part: np.ndarray, stride: int) -> tf.data.Dataset:
    starts = np.arange(0, len(part) - CONTEXT, stride)
    x = np.lib.stride_tricks.sliding_window_view(part, CONTEXT)
    return tf.data.Dataset.from_tensor_slices((x[starts], x[1:][starts]))


batches = windows(train, 32).shuffle(40_000, seed=0).repeat().batch(BATCH).prefetch(1)
clock = Clock()
told = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_: clock.epoch())
model.fit(
    batches, epochs=tenths, steps_per_epoch=30, verbose=0, callbacks=[told],
    validation_data=windows(valid, 32).batch(1000),
)  # fmt: skip
