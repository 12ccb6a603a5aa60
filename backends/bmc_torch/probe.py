"""Runs a generated PyTorch model.py on arrays."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import numpy as np
import torch

from bmc.verify.probe import serve


class Model:
    """The model of a program, with weights by canonical name."""

    def __init__(self, module: ModuleType, name: str, weights: dict[str, np.ndarray], dtype: Any):
        torch.set_default_dtype(getattr(torch, np.dtype(dtype).name))
        self.model = getattr(module, name)().to(getattr(torch, np.dtype(dtype).name))
        state = {k: torch.from_numpy(v) for k, v in weights.items()}
        missing = self.model.load_state_dict(state, strict=False)
        assert not missing.unexpected_keys
        assert all(key.endswith("num_batches_tracked") for key in missing.missing_keys)

    def run(self, arrays: list[np.ndarray], training: bool = False) -> list[np.ndarray]:
        """The outputs."""
        self.model.train(training)
        with torch.no_grad():
            made = self.model(*map(torch.from_numpy, arrays))
        outputs = made if isinstance(made, tuple) else (made,)
        return [value.numpy() for value in outputs]

    def gradients(self, arrays: list[np.ndarray], training: bool = True) -> dict[str, np.ndarray]:
        """d(sum of sin of all outputs) / d(weights and float inputs), and running statistics."""
        self.model.train(training)
        given = [torch.from_numpy(array) for array in arrays]
        wanted = {}
        for number, value in enumerate(given):
            if value.is_floating_point():
                wanted[f"input {number}"] = value.requires_grad_()
        wanted |= {name: p for name, p in self.model.named_parameters() if p.requires_grad}
        made = self.model(*given)
        outputs = made if isinstance(made, tuple) else (made,)
        total = sum(value.sin().sum() for value in outputs if value.requires_grad)
        found = {}
        if isinstance(total, torch.Tensor):
            grads = torch.autograd.grad(total, list(wanted.values()), allow_unused=True)
            found = {n: g.numpy() for n, g in zip(wanted, grads, strict=True) if g is not None}
        stored = self.weights()
        kept = {k: v.numpy() for k, v in self.model.named_buffers() if k in stored}
        return {**found, **kept}

    def layers(self, arrays: list[np.ndarray]) -> dict[str, np.ndarray]:
        """What every module puts out, by its name, in order."""
        found: dict[str, np.ndarray] = {}

        def keep(name: str) -> Any:
            def hook(module: torch.nn.Module, args: Any, output: Any) -> None:
                if isinstance(output, torch.Tensor):
                    found[name] = output.numpy().copy()  # which the next layer may write into

            return hook

        handles = [
            module.register_forward_hook(keep(name))
            for name, module in self.model.named_modules()
            if name
        ]
        self.run(arrays)
        for handle in handles:
            handle.remove()
        return found

    def weights(self) -> dict[str, tuple[int, ...]]:
        """Names and shapes of what a weights file would hold."""
        state = self.model.state_dict()
        return {k: tuple(v.shape) for k, v in state.items() if "num_batches_tracked" not in k}


if __name__ == "__main__":
    serve(Model)
