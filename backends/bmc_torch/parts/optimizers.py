"""Optimisers that PyTorch does not have."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT


class SGDW(torch.optim.SGD):
    """Gradient descent with decoupled weight decay (Loshchilov & Hutter 2019)."""

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Shrink the weights, then take the step of plain gradient descent."""
        decays = [group["weight_decay"] for group in self.param_groups]
        for group, decay in zip(self.param_groups, decays, strict=True):
            for weight in group["params"]:
                if decay and weight.grad is not None:
                    weight.mul_(1 - group["lr"] * decay)
            group["weight_decay"] = 0.0  # which would add to the gradients
        loss = super().step(closure)
        for group, decay in zip(self.param_groups, decays, strict=True):
            group["weight_decay"] = decay
        return loss


class Lion(torch.optim.Optimizer):
    """Steps of one size, by the sign of a momentum (Chen et al. 2023)."""

    def __init__(
        self,
        params: ParamsT,
        lr: float,
        betas: tuple[float, float],
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(
            params, {"lr": lr, "betas": betas, "weight_decay": weight_decay}
        )

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Take one step along the signs; then update the momentum."""
        for group in self.param_groups:
            beta_1, beta_2 = group["betas"]
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["exp_avg"] = torch.zeros_like(weight)
                momentum = state["exp_avg"]
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                direction = momentum.lerp(weight.grad, 1 - beta_1).sign_()
                weight.add_(direction, alpha=-group["lr"])
                momentum.lerp_(weight.grad, 1 - beta_2)


class LAMB(torch.optim.Optimizer):
    """Adam's step at the length of the weight (You et al. 2020)."""

    def __init__(
        self,
        params: ParamsT,
        lr: float,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float = 0.0,
    ) -> None:
        defaults = {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay}
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Take one step of the length that each weight has, times the rate."""
        for group in self.param_groups:
            beta_1, beta_2 = group["betas"]
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["step"] = torch.tensor(0.0)
                    state["exp_avg"] = torch.zeros_like(weight)
                    state["exp_avg_sq"] = torch.zeros_like(weight)
                state["step"] += 1
                m, v = state["exp_avg"], state["exp_avg_sq"]
                step = int(state["step"])
                m.lerp_(weight.grad, 1 - beta_1)
                v.lerp_(weight.grad.square(), 1 - beta_2)
                root = (v / (1 - beta_2**step)).sqrt_().add_(group["eps"])
                update = m / (1 - beta_1**step) / root
                update.add_(weight, alpha=group["weight_decay"])
                length, norm = weight.norm(), update.norm()
                known = (length > 0) & (norm > 0)
                ratio = torch.where(known, length / norm, torch.ones_like(norm))
                weight.sub_(group["lr"] * ratio * update)


def orthogonal(matrix: Tensor) -> Tensor:
    """Return nearly the nearest orthogonal matrix: five Newton-Schulz steps."""
    x = matrix / matrix.norm().clamp(min=1e-7)
    if len(x) > len(x.T):
        return orthogonal(matrix.T).T
    for _ in range(5):
        gram = x @ x.T
        x = 3.4445 * x + (-4.775 * gram + 2.0315 * gram @ gram) @ x
    return x


class Muon(torch.optim.Optimizer):
    """Orthogonal steps for matrices (Jordan et al. 2024), AdamW's for the rest.

    Steps are as long as AdamW's (Liu et al. 2025): one rate does for both.
    """

    def __init__(
        self,
        params: ParamsT,
        lr: float,
        momentum: float,
        nesterov: bool,
        betas: tuple[float, float],
        eps: float,
        weight_decay: float = 0.0,
    ) -> None:
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "nesterov": nesterov,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
        }
        super().__init__(params, defaults)

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        """Shrink the weights, then take a step."""
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                if weight.ndim == 2:
                    step = self.matrix_step(weight.grad, state, group)
                else:
                    step = self.adam_step(weight.grad, state, group)
                weight.add_(step, alpha=-group["lr"])

    def matrix_step(
        self, grad: Tensor, state: dict[str, Tensor], group: dict[str, Any]
    ) -> Tensor:
        if not state:
            state["exp_avg"] = torch.zeros_like(grad)
        m = state["exp_avg"].lerp_(grad, 1 - group["momentum"])
        step = grad.lerp(m, group["momentum"]) if group["nesterov"] else m
        return 0.2 * max(grad.shape) ** 0.5 * orthogonal(step)

    def adam_step(
        self, grad: Tensor, state: dict[str, Tensor], group: dict[str, Any]
    ) -> Tensor:
        if not state:
            state["step"] = torch.tensor(0.0)
            state["exp_avg"] = torch.zeros_like(grad)
            state["exp_avg_sq"] = torch.zeros_like(grad)
        state["step"] += 1
        beta_1, beta_2 = group["betas"]
        m = state["exp_avg"].lerp_(grad, 1 - beta_1)
        v = state["exp_avg_sq"].lerp_(grad.square(), 1 - beta_2)
        step = int(state["step"])
        root = (v / (1 - beta_2**step)).sqrt_().add_(group["eps"])
        return m / (1 - beta_1**step) / root


class Parts:
    """Optimisers of different kinds, each for parts of a model, which learn as one."""

    def __init__(self, optimizers: list[torch.optim.Optimizer]) -> None:
        self.optimizers = optimizers

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        return [group for one in self.optimizers for group in one.param_groups]

    def zero_grad(self, set_to_none: bool = True) -> None:
        for optimizer in self.optimizers:
            optimizer.zero_grad(set_to_none)

    def step(self) -> None:
        for optimizer in self.optimizers:
            optimizer.step()
