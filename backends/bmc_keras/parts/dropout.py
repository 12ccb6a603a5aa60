"""What programs in Keras bring of their own: dropout."""

from __future__ import annotations

import keras
from keras import layers, ops


@keras.saving.register_keras_serializable()
class SampleNormal(layers.Layer):
    """Draw mean + spread * noise, anew at every use (Kingma & Welling 2014)."""

    def __init__(self, **settings):
        super().__init__(**settings)
        self.seed = keras.random.SeedGenerator()

    def call(self, mean, spread):
        noise = keras.random.normal(ops.shape(mean), dtype=mean.dtype, seed=self.seed)
        return mean + spread * noise

    def compute_output_shape(self, mean_shape, spread_shape):
        return mean_shape
