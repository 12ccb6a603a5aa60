"""What programs in Keras bring of their own: recurrent."""

from __future__ import annotations

import keras
from keras import layers


def is_both_ways(layer: layers.Layer, kind: type[layers.Layer]) -> bool:
    """Whether a layer runs another one of that kind in both directions."""
    return isinstance(layer, layers.Bidirectional) and isinstance(
        layer.forward_layer, kind
    )


def is_stack(layer: layers.Layer, kind: type[layers.Layer]) -> bool:
    """Whether a layer is several of that kind, one after the other."""
    return isinstance(layer, keras.Sequential) and isinstance(layer.layers[0], kind)


def is_stack_both_ways(layer: layers.Layer, kind: type[layers.Layer]) -> bool:
    """Whether a layer is several of that kind in both directions."""
    return isinstance(layer, keras.Sequential) and is_both_ways(layer.layers[0], kind)


class PaddedBothWays(layers.Bidirectional):
    """A layer in both directions over sequences that are padded at the end.

    What comes out has no mask: masks are given to each layer that needs one.
    """

    def compute_mask(self, inputs, mask):
        return None


class PaddedStack(keras.Sequential):
    """Layers one after the other, each of which is given the mask."""

    def call(self, inputs, mask):
        x = inputs
        for layer in self.layers:
            x = layer(x, mask=mask)
        return x

    def compute_mask(self, inputs, mask):
        return None
