"""Losses, metrics and predictions of padded sequences, in which padding counts nowhere.

In training a mask says which places count: batches keep their shape. Evaluation and prediction
drop the padding first, and every place that is data becomes a row of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from bmc.ir.data import DataProgram
from bmc.ir.model import Program
from bmc.ir.training import Applied, TensorRef, TrainProgram, Tree, Undo, tensors
from bmc.ops.base import Layer, Padding
from bmc.ops.kinds import Refusal
from bmc.ops.losses import NO_CLASS, Loss, PaddedCrossEntropy, Weighted
from bmc.ops.masks import NotPadding
from bmc.records import record, replace
from bmc.types.tensor import TensorType


@record
class Places:
    """The padded tensors of a run: each with the input whose ids show where its data ends."""

    shown: Mapping[str, str]
    pads: Mapping[str, int]  # by input or target: the id that fills up

    def __contains__(self, name: object) -> bool:
        return name in self.shown


def places_of(program: Program, train: TrainProgram, data: DataProgram) -> Places:
    """The outputs that are as long as a padded input, those inputs, and targets beside them."""
    shown: dict[str, str] = {}
    pads: dict[str, int] = {}
    lengths = {}
    for entry in program.main.inputs:
        kind = entry.value.type
        if kind.ragged and entry.pad is not None and kind.rank == 1:
            lengths[kind.shape[0]] = shown[entry.value.name] = entry.value.name
            pads[entry.value.name] = int(entry.pad)
    for output in program.main.outputs:
        kind = output.value.type
        if kind.ragged and kind.shape[0] in lengths:
            shown[output.name] = lengths[kind.shape[0]]
    for one in data.entries:
        if one.beside is not None:
            shown[one.name] = one.beside
            pads[one.name] = int(one.pad or 0)
    return Places(shown, pads)


def is_padded(tree: Tree, places: Places) -> bool:
    """Whether a value has a place for each of a sequence."""
    return any(ref.name in places for ref in tensors(tree)) and tree.type.rank > 0


def places_shown(trees: Iterable[Tree], places: Places) -> Iterator[str]:
    """The inputs that show where the padding of these values is."""
    for tree in trees:
        yield from (places.shown[ref.name] for ref in tensors(tree) if ref.name in places)


# --- training -----------------------------------------------------------------------------------


def masked(tree: Tree, places: Places) -> Tree:
    """The tree with a mask at each loss of padded values. Raises `Refusal` where none can be."""
    if not isinstance(tree, Applied):
        return tree
    if not isinstance(tree.op, Loss):
        return replace(tree, inputs=tuple(masked(item, places) for item in tree.inputs))
    if not any(is_padded(item, places) for item in tree.inputs):
        return tree
    inputs = tuple(_whole(item, places) for item in tree.inputs)
    target = next((ref for ref in tensors(inputs[-1]) if ref.name in places.pads), None)
    if target is None:
        raise Refusal("padding would count: nothing in the target shows where its data ends")
    if isinstance(tree.op, Weighted):
        raise Refusal("padding would count beside `weight`")
    # The ids of the input show the padding: numbers of a target may be equal to what fills it up.
    name, pad = places.shown[target.name], places.pads[target.name]
    if PaddedCrossEntropy.fits(tree.op) and (pad == NO_CLASS or name == target.name):
        op = PaddedCrossEntropy(**{**tree.op.values(), "ignore": pad})
        return Applied(op, inputs, tree.type)
    ids = TensorRef(name, TensorType("int", target.type.shape), "data")
    mask = NotPadding(pad=places.pads[name])
    shown = Applied(mask, (ids,), TensorType("bool", target.type.shape))
    weighted = Weighted(tree.op)
    kinds = (*(item.type for item in inputs), shown.type)
    return Applied(weighted, (*inputs, shown), weighted.infer(*kinds))


def _whole(tree: Tree, places: Places) -> Tree:
    """The tree as if nothing were padding, which its steps do not mind."""
    kind = replace(tree.type, ragged=False)
    if isinstance(tree, Applied):
        _fits(tree, places)
        return Applied(tree.op, tuple(_whole(item, places) for item in tree.inputs), kind)
    return replace(tree, type=kind)


def _fits(tree: Applied, places: Places) -> None:
    """Refuses a step that mixes places, or places and rows."""
    kinds = [item.type for item in tree.inputs]
    if isinstance(tree.op, Layer) and tree.op.padding_rule(*kinds) != Padding():
        raise Refusal("padding would count")
    if len({is_padded(item, places) for item in tree.inputs if item.type.batched}) > 1:
        raise Refusal("places of sequences meet values of whole rows")


# --- evaluation and prediction ------------------------------------------------------------------


def as_rows(tree: Tree, places: Places) -> Tree:
    """The tree of places as rows. Raises `Refusal` where a step mixes places."""
    if not is_padded(tree, places) and not isinstance(tree, Applied):
        return tree
    if isinstance(tree, TensorRef):
        kind = TensorType(tree.type.dtype, tree.type.shape[1:], kind=tree.type.kind)
        return replace(tree, type=kind)
    if isinstance(tree, Undo):
        value = as_rows(tree.value, places)
        return Undo(tree.entry, value, value.type)
    inputs = tuple(as_rows(item, places) for item in tree.inputs)
    if inputs == tree.inputs:
        return tree
    _fits(tree, places)
    op = tree.op
    assert isinstance(op, Layer | Loss)
    made = op.infer(*(item.type for item in inputs))
    expected = tree.type.shape[1:] if tree.type.rank else ()
    if isinstance(made, tuple) or made.shape != expected:
        raise Refusal("it counts axes from the front: write `axis=-1`")
    return Applied(op, inputs, made)
