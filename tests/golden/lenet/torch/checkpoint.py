# Written by bmc from a .bm file; the file is yours to edit.
"""The state of a run at an update: `--resume` goes on from it, bit for bit.

Tensors go by the names of the weights, so that a run begun in Keras goes on here.
"""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from runs import METRICS, cut_records
from weights import Tensors, check_state, read_state, split_state, write_state

OPTIMIZER = "adam"
KEPT = 2  # the newest states


class Checkpoint:
    """What makes up a run, and the folder in which its states are kept."""

    def __init__(
        self,
        folder: Path,
        model: nn.Module,
        optimizer: torch.optim.Optimizer,
        settings: dict[str, int],
    ) -> None:
        self.folder = folder
        self.model = model
        self.optimizer = optimizer
        self.settings = {"optimizer": OPTIMIZER, **settings}

    def save(
        self,
        epoch: int,
        step: int,
        losses: list[Tensor],
        rows: list[int],
    ) -> None:
        """Write the state; losses and rows are those that no record has yet."""
        tensors = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        named = self.model.named_parameters()
        names: dict[Tensor, str] = {weight: name for name, weight in named}
        for weight, slots in self.optimizer.state.items():
            for slot, tensor in slots.items():
                tensors[f"optimizer.{names[weight]}.{slot}"] = tensor
        tensors["random.torch"] = torch.get_rng_state()
        if torch.cuda.is_available():
            tensors["random.cuda"] = torch.cuda.get_rng_state()
        arrays = {name: tensor.cpu().numpy() for name, tensor in tensors.items()}
        arrays["losses"] = np.array([float(loss) for loss in losses], np.float32)
        arrays["rows"] = np.array(rows, np.int64)
        notes = {
            "settings": self.settings,
            "epoch": epoch,
            "step": step,
            "records": (self.folder / METRICS).stat().st_size,
        }
        write_state(self.folder, arrays, notes, KEPT)

    def load(self) -> tuple[int, int, list[Tensor], list[int]]:
        """Restore the newest state; return the place in the run, or the start."""
        found = read_state(self.folder, self.settings)
        if found is None:
            return 1, 0, [], []
        tensors, notes = found
        self.load_weights(self.model, split_state(tensors, "model"))
        self.load_optimizer(self.optimizer, split_state(tensors, "optimizer"))
        if "random.torch" in tensors:
            torch.set_rng_state(torch.from_numpy(tensors["random.torch"]))
        if "random.cuda" in tensors and torch.cuda.is_available():
            torch.cuda.set_rng_state(torch.from_numpy(tensors["random.cuda"]))
        cut_records(self.folder / METRICS, notes["records"])
        device = next(self.model.parameters()).device
        losses = list(torch.from_numpy(tensors["losses"]).to(device))
        position = (notes["epoch"], notes["step"])
        return *position, losses, tensors["rows"].tolist()

    def load_weights(self, model: nn.Module, tensors: Tensors) -> None:
        wanted = {name: tuple(t.shape) for name, t in model.state_dict().items()}
        check_state(tensors, wanted)
        weights = {name: torch.from_numpy(array) for name, array in tensors.items()}
        model.load_state_dict(weights)

    def load_optimizer(
        self, optimizer: torch.optim.Optimizer, tensors: Tensors
    ) -> None:
        names = {weight: name for name, weight in self.model.named_parameters()}
        state = optimizer.state_dict()
        groups = optimizer.param_groups
        weights = [weight for group in groups for weight in group["params"]]
        for number, weight in enumerate(weights):
            slots = split_state(tensors, names[weight])
            kept = {slot: torch.from_numpy(array) for slot, array in slots.items()}
            if kept:
                state["state"][number] = kept
        optimizer.load_state_dict(state)
