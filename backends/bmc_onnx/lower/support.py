"""Methods of the graph class, each printed once in a program that needs it."""

from __future__ import annotations

from bmc.emit.backend import Support

WEIGHT = Support(
    "weight",
    '''\
    def weight(self, name: str, *shape: int) -> str:
        """Note a tensor of weights.safetensors; return its name."""
        self.weights[name] = shape
        return name
''',
)
CONV = Support(
    "conv",
    '''\
    def conv(self, x: str, shape: tuple[int, ...], name: str, **attributes: Any) -> str:
        """Convolve with a weight (filters, channels, *kernel), and add a bias."""
        weight = self.weight(f"{name}.weight", *shape)
        bias = self.weight(f"{name}.bias", shape[0])
        return self.add("Conv", x, weight, bias, name=name, **attributes)
''',
    ("weight",),
)
CONV_WITHOUT_BIAS = Support(
    "conv_without_bias",
    '''\
    def conv_without_bias(
        self, x: str, shape: tuple[int, ...], name: str, **attributes: Any
    ) -> str:
        """Convolve with a weight (filters, channels, *kernel)."""
        weight = self.weight(f"{name}.weight", *shape)
        return self.add("Conv", x, weight, name=name, **attributes)
''',
    ("weight",),
)
DENSE = Support(
    "dense",
    '''\
    def dense(self, x: str, shape: tuple[int, int], name: str) -> str:
        """Multiply rows by the transposed weight (out, in), and add a bias."""
        weight = self.weight(f"{name}.weight", *shape)
        bias = self.weight(f"{name}.bias", shape[0])
        return self.add("Gemm", x, weight, bias, name=name, transB=1)
''',
    ("weight",),
)
DENSE_WITHOUT_BIAS = Support(
    "dense_without_bias",
    '''\
    def dense_without_bias(self, x: str, shape: tuple[int, int], name: str) -> str:
        """Multiply rows by the transposed weight (out, in)."""
        weight = self.weight(f"{name}.weight", *shape)
        return self.add("Gemm", x, weight, name=name, transB=1)
''',
    ("weight",),
)
DENSE_LAST = Support(
    "dense_last",
    '''\
    def dense_last(self, x: str, shape: tuple[int, int], name: str) -> str:
        """Multiply the last axis by the transposed weight (out, in), and add a bias."""
        weight = self.weight(f"{name}.weight", *shape)
        bias = self.weight(f"{name}.bias", shape[0])
        turned = self.add("Transpose", weight, name=f"{name}.turned", perm=[1, 0])
        product = self.add("MatMul", x, turned, name=f"{name}.product")
        return self.add("Add", product, bias, name=name)
''',
    ("weight",),
)
DENSE_LAST_WITHOUT_BIAS = Support(
    "dense_last_without_bias",
    '''\
    def dense_last_without_bias(self, x: str, shape: tuple[int, int], name: str) -> str:
        """Multiply the last axis by the transposed weight (out, in)."""
        weight = self.weight(f"{name}.weight", *shape)
        turned = self.add("Transpose", weight, name=f"{name}.turned", perm=[1, 0])
        return self.add("MatMul", x, turned, name=name)
''',
    ("weight",),
)
NORM = Support(
    "norm",
    '''\
    def norm(self, x: str, channels: int, name: str, epsilon: float) -> str:
        """Normalise each channel by the running statistics."""
        keys = ("weight", "bias", "running_mean", "running_var")
        tensors = [self.weight(f"{name}.{key}", channels) for key in keys]
        return self.add("BatchNormalization", x, *tensors, name=name, epsilon=epsilon)
''',
    ("weight",),
)
NUMBER = Support(
    "number",
    '''\
    def number(self, value: float, name: str) -> str:
        """A number of the graph's own."""
        return self.add("Constant", name=name, value_float=value)
''',
)
INTEGERS = Support(
    "integers",
    '''\
    def integers(self, values: list[int], name: str) -> str:
        """Whole numbers of the graph's own: axes, sizes."""
        return self.add("Constant", name=name, value_ints=values)
''',
)
REDUCE = Support(
    "reduce",
    '''\
    def reduce(self, op: str, x: str, axes: list[int], name: str) -> str:
        """Reduce axes to nothing."""
        over = self.integers(axes, name=f"{name}.axes")
        return self.add(op, x, over, name=name, keepdims=0)
''',
    ("integers",),
)
RESHAPE = Support(
    "reshape",
    '''\
    def reshape(self, x: str, shape: list[int], name: str) -> str:
        """Count the elements by other axes; 0 keeps an axis, -1 takes what is left."""
        sizes = self.integers(shape, name=f"{name}.shape")
        return self.add("Reshape", x, sizes, name=name)
''',
    ("integers",),
)
WIDEN = Support(
    "widen",
    '''\
    def widen(self, x: str, axes: list[int], name: str) -> str:
        """Give a value axes of size one."""
        places = self.integers(axes, name=f"{name}.axes")
        return self.add("Unsqueeze", x, places, name=name)
''',
    ("integers",),
)
BY_NAME = {
    helper.name: helper
    for helper in (
        WEIGHT, CONV, CONV_WITHOUT_BIAS, DENSE, DENSE_WITHOUT_BIAS, DENSE_LAST, DENSE_LAST_WITHOUT_BIAS,
        NORM, NUMBER, INTEGERS, REDUCE, RESHAPE, WIDEN,
    )
}  # fmt: skip
