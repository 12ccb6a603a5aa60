"""What a graph in the making can do: layers with weights."""

from __future__ import annotations

from typing import Any

from bmc_onnx.parts.graph import Graph


class Weighted(Graph):
    """Methods of a graph."""

    def weight(self, name: str, *shape: int) -> str:
        """Note a tensor of weights.safetensors; return its name."""
        self.weights[name] = shape
        return name

    def scaled_weight(self, shape: tuple[int, ...], name: str) -> str:
        """A weight whose rows, what makes an output, have learned lengths."""
        weight = self.weight(f"{name}.weight", *shape)
        scale = self.weight(f"{name}.scale", shape[0])
        axes = list(range(1, len(shape)))
        lengths = self.reduce("ReduceL2", weight, axes, name=f"{name}.lengths")
        ratio = self.add("Div", scale, lengths, name=f"{name}.ratio")
        wide = self.widen(ratio, axes, name=f"{name}.wide")
        return self.add("Mul", weight, wide, name=f"{name}.scaled")

    def conv(self, x: str, shape: tuple[int, ...], name: str, **attributes: Any) -> str:
        """Convolve with a weight (filters, channels, *kernel), and add a bias."""
        weight = self.weight(f"{name}.weight", *shape)
        bias = self.weight(f"{name}.bias", shape[0])
        return self.add("Conv", x, weight, bias, name=name, **attributes)

    def conv_without_bias(
        self, x: str, shape: tuple[int, ...], name: str, **attributes: Any
    ) -> str:
        """Convolve with a weight (filters, channels, *kernel)."""
        weight = self.weight(f"{name}.weight", *shape)
        return self.add("Conv", x, weight, name=name, **attributes)

    def conv_transpose(
        self, x: str, shape: tuple[int, ...], filters: int, name: str, **attributes: Any
    ) -> str:
        """Stamp a weight (channels, filters / groups, *kernel), and add a bias."""
        weight = self.weight(f"{name}.weight", *shape)
        bias = self.weight(f"{name}.bias", filters)
        return self.add("ConvTranspose", x, weight, bias, name=name, **attributes)

    def conv_transpose_without_bias(
        self, x: str, shape: tuple[int, ...], filters: int, name: str, **attributes: Any
    ) -> str:
        """Stamp a weight (channels, filters / groups, *kernel)."""
        weight = self.weight(f"{name}.weight", *shape)
        return self.add("ConvTranspose", x, weight, name=name, **attributes)

    def dense(self, x: str, shape: tuple[int, int], name: str) -> str:
        """Multiply rows by the transposed weight (out, in), and add a bias."""
        weight = self.weight(f"{name}.weight", *shape)
        bias = self.weight(f"{name}.bias", shape[0])
        return self.add("Gemm", x, weight, bias, name=name, transB=1)

    def dense_without_bias(self, x: str, shape: tuple[int, int], name: str) -> str:
        """Multiply rows by the transposed weight (out, in)."""
        weight = self.weight(f"{name}.weight", *shape)
        return self.add("Gemm", x, weight, name=name, transB=1)

    def dense_last(self, x: str, shape: tuple[int, int], name: str) -> str:
        """Multiply the last axis by the transposed weight (out, in), and add a bias."""
        weight = self.weight(f"{name}.weight", *shape)
        bias = self.weight(f"{name}.bias", shape[0])
        turned = self.add("Transpose", weight, name=f"{name}.turned", perm=[1, 0])
        product = self.add("MatMul", x, turned, name=f"{name}.product")
        return self.add("Add", product, bias, name=name)

    def dense_last_without_bias(self, x: str, shape: tuple[int, int], name: str) -> str:
        """Multiply the last axis by the transposed weight (out, in)."""
        weight = self.weight(f"{name}.weight", *shape)
        turned = self.add("Transpose", weight, name=f"{name}.turned", perm=[1, 0])
        return self.add("MatMul", x, turned, name=name)

    def multiply_turned(self, x: str, weight: str, name: str) -> str:
        """Multiply the last axis by a transposed weight (out, in)."""
        turned = self.add("Transpose", weight, name=f"{name}.turned", perm=[1, 0])
        return self.add("MatMul", x, turned, name=name)

    def norm(self, x: str, channels: int, name: str, epsilon: float) -> str:
        """Normalise each channel by the running statistics."""
        keys = ("weight", "bias", "running_mean", "running_var")
        tensors = [self.weight(f"{name}.{key}", channels) for key in keys]
        return self.add("BatchNormalization", x, *tensors, name=name, epsilon=epsilon)

    def norm_without_weights(
        self, x: str, channels: int, name: str, epsilon: float
    ) -> str:
        """Normalise each channel by the running statistics, and leave it so."""
        ones = self.filled(1.0, (channels,), name=f"{name}.ones")
        zeros = self.filled(0.0, (channels,), name=f"{name}.zeros")
        keys = ("running_mean", "running_var")
        stats = [self.weight(f"{name}.{key}", channels) for key in keys]
        return self.add(
            "BatchNormalization", x, ones, zeros, *stats, name=name, epsilon=epsilon
        )

    def layer_norm(
        self, x: str, shape: tuple[int, ...], name: str, epsilon: float
    ) -> str:
        """Normalise the last axes, of that shape; scale and shift."""
        weight = self.weight(f"{name}.weight", *shape)
        bias = self.weight(f"{name}.bias", *shape)
        settings = {"axis": -len(shape), "epsilon": epsilon}
        return self.add("LayerNormalization", x, weight, bias, name=name, **settings)

    def layer_norm_without_bias(
        self, x: str, shape: tuple[int, ...], name: str, epsilon: float
    ) -> str:
        """Normalise the last axes, of that shape; scale."""
        weight = self.weight(f"{name}.weight", *shape)
        settings = {"axis": -len(shape), "epsilon": epsilon}
        return self.add("LayerNormalization", x, weight, name=name, **settings)

    def layer_norm_without_weights(
        self, x: str, shape: tuple[int, ...], name: str, epsilon: float
    ) -> str:
        """Normalise the last axes, of that shape."""
        ones = self.filled(1.0, shape, name=f"{name}.ones")
        settings = {"axis": -len(shape), "epsilon": epsilon}
        return self.add("LayerNormalization", x, ones, name=name, **settings)

    def rms_norm(
        self, x: str, shape: tuple[int, ...], name: str, epsilon: float
    ) -> str:
        """Divide the last axes, of that shape, by their root mean square; scale."""
        weight = self.weight(f"{name}.weight", *shape)
        settings = {"axis": -len(shape), "epsilon": epsilon}
        return self.add("RMSNormalization", x, weight, name=name, **settings)

    def rms_norm_without_weights(
        self, x: str, shape: tuple[int, ...], name: str, epsilon: float
    ) -> str:
        """Divide the last axes, of that shape, by their root mean square."""
        ones = self.filled(1.0, shape, name=f"{name}.ones")
        settings = {"axis": -len(shape), "epsilon": epsilon}
        return self.add("RMSNormalization", x, ones, name=name, **settings)

    def instance_norm(self, x: str, channels: int, name: str, epsilon: float) -> str:
        """Normalise each channel of each sample; scale and shift."""
        weight = self.weight(f"{name}.weight", channels)
        bias = self.weight(f"{name}.bias", channels)
        return self.add(
            "InstanceNormalization", x, weight, bias, name=name, epsilon=epsilon
        )

    def instance_norm_without_weights(
        self, x: str, channels: int, name: str, epsilon: float
    ) -> str:
        """Normalise each channel of each sample."""
        ones = self.filled(1.0, (channels,), name=f"{name}.ones")
        zeros = self.filled(0.0, (channels,), name=f"{name}.zeros")
        return self.add(
            "InstanceNormalization", x, ones, zeros, name=name, epsilon=epsilon
        )

    def group_norm_without_weights(
        self, x: str, shape: str, groups: int, name: str, epsilon: float
    ) -> str:
        """Normalise groups of channels: a group for each row, as channels of their own.

        `GroupNormalization` itself loses digits where the mean is far from zero.
        """
        rows = self.reshape(x, [0, groups, -1], name=f"{name}.rows")
        normed = self.instance_norm_without_weights(
            rows, groups, f"{name}.normed", epsilon
        )
        return self.add("Reshape", normed, shape, name=name)

    def group_norm(
        self,
        x: str,
        shape: str,
        channels: int,
        groups: int,
        after: int,
        name: str,
        epsilon: float,
    ) -> str:
        """Normalise groups of channels, of so many axes after them; scale and shift."""
        wide = [channels] + [1] * after
        weight = self.reshape(
            self.weight(f"{name}.weight", channels), wide, f"{name}.scale"
        )
        bias = self.reshape(
            self.weight(f"{name}.bias", channels), wide, f"{name}.shift"
        )
        y = self.group_norm_without_weights(x, shape, groups, f"{name}.normed", epsilon)
        y = self.add("Mul", y, weight, name=f"{name}.scaled")
        return self.add("Add", y, bias, name=name)

    def embed(self, ids: str, shape: tuple[int, int], name: str) -> str:
        """Take the row of the weight (ids, size) for each id."""
        weight = self.weight(f"{name}.weight", *shape)
        return self.add("Gather", weight, ids, name=name)

    def learned_positions(self, x: str, shape: tuple[int, int], name: str) -> str:
        """Add as many rows of the weight (longest, size) as x has positions."""
        weight = self.weight(f"{name}.weight", *shape)
        count = self.add("Shape", x, name=f"{name}.count", start=-2, end=-1)
        zero = self.integers([0], name=f"{name}.zero")
        rows = self.add("Slice", weight, zero, count, zero, name=f"{name}.rows")
        return self.add("Add", x, rows, name=name)

    def all_positions(self, x: str, shape: tuple[int, int], name: str) -> str:
        """Add the weight (positions, size)."""
        return self.add("Add", x, self.weight(f"{name}.weight", *shape), name=name)
