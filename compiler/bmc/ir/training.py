"""What `train` and `predict` mean: trees of losses over named tensors, and plain settings.

Tensors are named by the model's outputs and the data section's entries. Knows no backend.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Literal

from bmc.ops.base import Declaration
from bmc.ops.kinds import Measure
from bmc.ops.metrics import Metric
from bmc.ops.optimizers import Optimizer
from bmc.ops.schedules import Every, Patience, Schedule
from bmc.records import field, record
from bmc.source import Span
from bmc.types.tensor import TensorType

if TYPE_CHECKING:
    from bmc.ir.name_map import NameMap

Origin = Literal["output", "data"]


@record
class TensorRef:
    """An output of the model, or an entry of the data."""

    name: str
    type: TensorType
    origin: Origin


@record
class Applied:
    """A loss, a reduction, an operator or a layer without weights, on its inputs."""

    op: Declaration
    inputs: tuple[Tree, ...]
    type: TensorType


@record
class Undo:
    """`value -> undo(data.entry)`: what the data section did to an entry, backwards."""

    entry: str
    value: Tree
    type: TensorType


Tree = TensorRef | Applied | Undo


def parts(tree: Tree) -> Iterator[Tree]:
    """A tree, then all that it is made of, in written order."""
    yield tree
    below = tree.inputs if isinstance(tree, Applied) else ()
    for item in (tree.value,) if isinstance(tree, Undo) else below:
        yield from parts(item)


def tensors(tree: Tree) -> Iterator[TensorRef]:
    """The named tensors of a tree, in written order, repetitions included."""
    return (part for part in parts(tree) if isinstance(part, TensorRef))


@record
class LossTerm:
    """One loss; several add up. `name` is empty for the only one."""

    name: str
    value: Tree
    span: Span | None = field(default=None, compare=False, repr=False)


@record
class Report:
    """One metric of a prediction, a target and what else it takes, under the name that logs show."""

    name: str
    metric: Metric
    inputs: tuple[Tree, ...]
    span: Span | None = field(default=None, compare=False, repr=False)


@record
class OptimizerGroup:
    """An optimiser for the weights under a dotted path; an empty path is all the rest."""

    path: str
    optimizer: Optimizer


@record
class Pretrained:
    """Weights to start from; `path` is the part of the model, empty for all of it."""

    path: str
    file: str
    names: NameMap | None = None  # what becomes of tensors that others named
    anew: tuple[str, ...] = ()  # parts that start as declared


@record
class Prediction:
    """One column, or one for each element, of the predictions file."""

    name: str
    value: Tree


@record
class ModelUse:
    """What training needs to know of the model: its class, its ends, and facts about its layers."""

    name: str
    inputs: tuple[str, ...]  # data entries, in the order of the model's inputs
    outputs: tuple[str, ...]
    least_rows: int = 1  # of a batch that it trains on


@record
class TrainProgram:
    """A whole training run. Exactly one of `epochs` and `steps` is set."""

    model: ModelUse
    losses: tuple[LossTerm, ...]
    optimizers: tuple[OptimizerGroup, ...]
    batch: int
    epochs: int | None = None
    steps: int | None = None
    metrics: tuple[Report, ...] = ()
    schedule: Schedule | None = None
    accumulate: int = 1
    clip_norm: float | None = None
    clip_value: float | None = None
    precision: str | None = None
    compile: bool = False
    ema: float | None = None
    stop: Patience | None = None
    checkpoint: Every = field(default_factory=lambda: Every(span=Measure(1, "epochs"), keep=2))
    log: tuple[str, ...] = ()  # where records go besides the run's own files
    seed: int = 0
    sampler: str | None = None  # the entry with the weights that training rows are drawn by
    freeze: tuple[str, ...] = ()
    weights: tuple[Pretrained, ...] = ()
    predictions: tuple[Prediction, ...] = ()
    writes: str = "predictions.csv"
    keep: tuple[str, ...] = ()  # columns of the data that stand beside the predictions
    source: str = "data"
    validation: bool = True
    test: bool = True
    spans: Mapping[str, Span] = field(default_factory=dict, compare=False, repr=False)

    @property
    def whole(self) -> bool:
        """Whether all rows make one batch."""
        return self.main_optimizer.whole

    @property
    def main_optimizer(self) -> Optimizer:
        """The optimiser of the weights that no other one claims."""
        return next(group.optimizer for group in self.optimizers if not group.path)
