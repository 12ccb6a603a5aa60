"""Makes the masks of padded values part of the model: values, inputs of blocks, steps of their own.

After this pass nothing is left to know about padding: a layer that has to tell it from data takes
a mask or the lengths beside its inputs, or finds a value in it that changes nothing. Only what is
needed is made, right after the value that it belongs to.
"""

from __future__ import annotations

from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.problems.shapes import PaddingLost
from bmc.ir.model import (
    Apply,
    BlockSpec,
    Input,
    Instance,
    Output,
    Program,
    Repeat,
    Scan,
    Step,
    Value,
)
from bmc.ops.axes import ragged_axis
from bmc.ops.base import Layer, Padding
from bmc.ops.masks import Before, Fill, Lengths, NotPadding, Thin, UpTo, ZeroIfEmpty
from bmc.records import field, record
from bmc.types.tensor import TensorType

AS_LOOP = "write the copies as a loop, `for i in 0..n { … }`"


@record
class Signature:
    """What a block takes and gives beside what was written.

    `takes` are the inputs whose masks follow the inputs. Of each output, `follows` is the input
    whose mask it has, or None; `gives` are the outputs whose masks follow the outputs.
    """

    takes: tuple[int, ...]
    follows: tuple[int | None, ...]
    gives: tuple[int, ...] = ()


@record
class Origin:
    """Where the mask of a value comes from: an input of the block, or another value's mask.

    A value made by `use`, in `body`, has the mask of `source`, changed as `rule` says.
    """

    place: int | None = None
    source: Value | None = None
    rule: Padding = field(default_factory=Padding)
    use: Apply | None = None
    body: list[Step] = field(default_factory=list)


def explicit_masks(program: Program, problems: Problems) -> None:
    """Rewrites the models of a program, each block once."""
    done: dict[int, Signature] = {}
    for spec in program.models.values():
        _Rewriter(spec, done, problems).run()


class _Rewriter:
    """Rewrites one block; the blocks that it uses come before."""

    def __init__(self, spec: BlockSpec, done: dict[int, Signature], problems: Problems) -> None:
        self.spec, self.done, self.problems = spec, done, problems
        self.head: list[Step] = []
        self.origins: dict[Value, Origin] = {}
        self.masks: dict[Value, Value] = {}
        self.lengths: dict[Value, Value] = {}
        self.given: dict[Value, Value] = {}  # lengths that are inputs, by their mask
        self.made: dict[Value, tuple[list[Step], Apply]] = {}  # where a mask was made
        self.taken: dict[int, Value] = {}  # masks that are inputs, by the input's number
        self.extended: dict[int, tuple[int, ...]] = {}  # by instance: the masks that it takes

    def run(self) -> Signature:
        """Does the work and says how the block is called now."""
        for place, entry in enumerate(self.spec.inputs):
            if entry.value.type.ragged:
                self.origins[entry.value] = Origin(place)
        body = self._body(self.spec.body)
        follows, gives = self._results() if self.spec.kind != "model" else ((), ())
        self.spec.body = [*self.head, *body]
        takes = tuple(sorted(self.taken))
        self.spec.inputs += [Input(self.taken[place]) for place in takes]
        self.done[id(self.spec)] = Signature(takes, follows, gives)
        return self.done[id(self.spec)]

    def _results(self) -> tuple[tuple[int | None, ...], tuple[int, ...]]:
        """Whose masks the outputs have; those that were made here become outputs."""
        follows: list[int | None] = []
        gives: list[int] = []
        for place, output in enumerate(tuple(self.spec.outputs)):
            origin = self._root(output.value)
            follows.append(origin.place if origin else None)
            if origin and origin.place is None:
                gives.append(place)
                mask = Output(f"{output.name}_mask", self._mask(output.value))
                self.spec.outputs.append(mask)
        return tuple(follows), tuple(gives)

    def _root(self, value: Value) -> Origin | None:
        """The origin from which a mask was handed on; None for what is not padded."""
        origin = self.origins.get(value)
        while origin and origin.source and not origin.rule.moves:
            origin = self.origins[origin.source]
        return origin

    # --- uses -----------------------------------------------------------------------------------

    def _body(self, steps: list[Step]) -> list[Step]:
        made: list[Step] = []
        for step in steps:
            if isinstance(step, Apply):
                self._use(step, made)
                continue
            for turn in step.turns:
                turn.body = self._body(turn.body)
            made.append(step)
        return made

    def _use(self, use: Apply, made: list[Step]) -> None:
        target = use.instance.target
        if isinstance(target, Layer):
            self._layer(use, target, made)
            return
        signature = self._signature(use.instance)
        written = use.outputs
        beside = tuple(self._mask(use.inputs[place]) for place in signature.takes)
        more = tuple(_mask_of(written[place]) for place in signature.gives)
        first = id(use.instance) not in self.extended
        if self._extend(use, signature.takes, beside) and first:
            use.instance.outputs += tuple(value.type for value in more)
        use.outputs = (*written, *more)
        made.append(use)
        for value, place in zip(written, signature.follows):
            if place is not None and value.type.ragged:
                self.origins[value] = Origin(source=use.inputs[place], use=use, body=made)
        for place, mask in zip(signature.gives, more):
            self.origins[written[place]] = Origin(use=use, body=made)
            self.masks[written[place]] = mask
            self.made[mask] = (made, use)

    def _layer(self, use: Apply, op: Layer, made: list[Step]) -> None:
        inputs = use.inputs
        padded, rule, reads = _rule(op, tuple(value.type for value in inputs))
        beside = tuple(self._beside(inputs[place], rule.reads) for place in reads)
        if rule.fill:
            use.inputs = (self._filled(inputs[0], rule.fill, use, made), *inputs[1:])
        self._extend(use, reads, beside)
        made.append(use)
        if not padded:
            return
        source = inputs[padded[0] if rule.follows is None else rule.follows]
        for value in tuple(use.outputs):
            if rule.fill in ("lowest", "highest") and not value.type.ragged:
                self._clear(value, use, made, ZeroIfEmpty(), self._mask(inputs[0]))
            if value.type.ragged:
                self.origins[value] = Origin(None, source, rule, use, made)
                if rule.clear:
                    op = Fill(value="zero", axis=ragged_axis(value.type))
                    self._clear(value, use, made, op, self._mask(value))

    def _extend(self, use: Apply, takes: tuple[int, ...], beside: tuple[Value, ...]) -> bool:
        """Adds masks to a use; the instance takes them from now on, at every use."""
        instance = use.instance
        if self.extended.setdefault(id(instance), takes) != takes:
            why = "it is used with a padded value here, and with one of full length elsewhere"
            if not takes:
                why = "it is used with a padded value elsewhere, and with one of full length here"
            self.problems.add(PaddingLost(use.span, "a shared layer", why))
            return False
        if len(use.inputs) == len(instance.inputs):
            instance.inputs += tuple(value.type for value in beside)
            instance.masks = takes
        use.inputs += beside
        return True

    # --- blocks and repeats -----------------------------------------------------------------------

    def _signature(self, instance: Instance) -> Signature:
        """How a block or a repeat is called; a block is rewritten when it is first met."""
        target = instance.target
        if isinstance(target, BlockSpec):
            if id(target) not in self.done:
                _Rewriter(target, self.done, self.problems).run()
            return self.done[id(target)]
        assert isinstance(target, Repeat | Scan)
        if id(target) not in self.done:
            found = self._scan if isinstance(target, Scan) else self._repeat
            self.done[id(target)] = found(instance)
        return self.done[id(target)]

    def _scan(self, instance: Instance) -> Signature:
        """How a scan is called: with the masks that a step takes, each whole."""
        scan = instance.target
        assert isinstance(scan, Scan)
        inner = self._signature(scan.step)
        if inner.gives or any(place is not None for place in inner.follows):
            why = "each step gives a padded value"
            self.problems.add(PaddingLost(instance.span, "a scan", why))
        scan.step.inputs += tuple(_steps(scan.step.inputs[place]) for place in inner.takes)
        scan.split += (False,) * len(inner.takes)
        padded = [place for place in _padded(instance.inputs) if scan.split[place]]
        return Signature(inner.takes, (padded[0] if padded else None,) * len(instance.outputs))

    def _repeat(self, instance: Instance) -> Signature:
        """How all copies are called: with the same masks, which none of them changes."""
        repeat = instance.target
        assert isinstance(repeat, Repeat)
        found: list[Signature] = []
        for _, copy in repeat.runs:
            inner = self._copy(copy)
            straight = all(place in (None, number) for number, place in enumerate(inner.follows))
            if inner.gives or not straight or inner.takes != (found or [inner])[0].takes:
                why = "each copy moves the end of the data, and the next needs to know where it is"
                self.problems.add(PaddingLost(instance.span, "a repeat", why, AS_LOOP))
                return Signature((), (0,) * len(inner.follows))
            copy.inputs += tuple(_steps(copy.inputs[place]) for place in inner.takes)
            copy.masks = inner.takes
            found.append(inner)
        return found[-1]

    def _copy(self, copy: Instance) -> Signature:
        """How one copy is called."""
        op = copy.target
        if not isinstance(op, Layer):
            return self._signature(copy)
        padded, rule, reads = _rule(op, copy.inputs)
        if rule.fill or rule.moves:
            why = "what it finds in the padding has to be set before each copy"
            help = f"{AS_LOOP}, or the layer as a block"
            self.problems.add(PaddingLost(copy.span, "a repeated layer", why, help))
        return Signature(reads, (padded[0] if padded else None,) * len(copy.outputs))

    # --- masks ------------------------------------------------------------------------------------

    def _beside(self, value: Value, what: str) -> Value:
        mask = self._mask(value)
        return mask if what == "mask" else self._length(mask)

    def _mask(self, value: Value) -> Value:
        """The mask of a value, made when it is first asked for."""
        if value not in self.masks:
            origin = self.origins[value]
            if origin.place is not None:
                self.masks[value] = self._input_mask(origin.place)
            else:
                assert origin.source is not None
                mask = self._mask(origin.source)
                self.masks[value] = self._changed(mask, origin) if origin.rule.moves else mask
        return self.masks[value]

    def _input_mask(self, place: int) -> Value:
        """A block is given the mask of its input; a model finds it out."""
        entry = self.spec.inputs[place]
        value = entry.value
        if self.spec.kind != "model":
            return self.taken.setdefault(place, _mask_of(value))
        mask = _mask_of(value)
        if value.type.dtype == "int" and value.type.rank == 1:
            taken: tuple[Value, ...] = (value,)
            op: Layer = NotPadding(pad=entry.pad)
        else:
            length = Value(TensorType("int", ()), f"{value.name}_length", value.span, named=True)
            doc = f"how many steps of each `{value.name}` are data"
            self.spec.inputs.append(Input(length, lengths_of=value, doc=doc))
            self.given[mask] = length
            taken = (value, length)
            op = UpTo(axis=ragged_axis(value.type))
        self._insert(op, f"{value.name}.mask", taken, mask, self.head, None)
        return mask

    def _changed(self, mask: Value, origin: Origin) -> Value:
        """The mask after a layer that moves the end of the data."""
        rule, use = origin.rule, origin.use
        assert use is not None
        steps: list[Layer] = [Before(count=rule.before)] if rule.before else []
        if rule.skips or rule.step != 1:
            steps.append(Thin(start=rule.skips, step=rule.step))
        for number, op in enumerate(steps, start=1):
            made = Value(op.infer(mask.type), mask.name, use.span, named=True)  # type: ignore[arg-type]
            name = f"{use.instance.name}.mask{number if len(steps) > 1 else ''}"
            where = self.made.get(mask)
            after = where[1] if number > 1 and where else use
            self._insert(op, name, (mask,), made, origin.body, after, use)
            mask = made
        return mask

    def _length(self, mask: Value) -> Value:
        """How long each sample is, for a mask."""
        if mask not in self.lengths:
            body, after = self.made.get(mask, (self.head, None))
            stem = mask.name.removesuffix("_mask")
            length = Value(TensorType("int", ()), f"{stem}_length", mask.span, named=True)
            name = after.instance.name.removesuffix(".mask") if after else stem
            source = self.given.get(mask, mask)
            self._insert(Lengths(), f"{name}.length", (source,), length, body, after, after)
            self.lengths[mask] = length
        return self.lengths[mask]

    # --- values in the padding ----------------------------------------------------------------------

    def _filled(self, value: Value, what: str, use: Apply, made: list[Step]) -> Value:
        """The value as a layer takes it."""
        op = Fill(value=what, axis=ragged_axis(value.type))
        filled = Value(value.type, value.name, use.span)
        inputs = (value, self._mask(value))
        self._insert(op, f"{use.instance.name}.filled", inputs, filled, made, None, use)
        return filled

    def _clear(self, value: Value, use: Apply, made: list[Step], op: Layer, mask: Value) -> None:
        """Puts zeros where what a layer made is of padding."""
        raw = Value(value.type, value.name, value.span)
        use.outputs = tuple(raw if one is value else one for one in use.outputs)
        name = f"{use.instance.name}.cleared"
        self._insert(op, name, (raw, mask), value, made, None, use)

    def _insert(
        self,
        op: Layer,
        name: str,
        inputs: tuple[Value, ...],
        output: Value,
        body: list[Step],
        after: Apply | None,
        near: Apply | None = None,
    ) -> None:
        """Adds a use of a new layer to a body, after another use or at its end."""
        types = tuple(value.type for value in inputs)
        instance = Instance(op, op.name, types, (output.type,), output.span, name)
        instance.loops = near.instance.loops if near else ()
        self.spec.instances.append(instance)
        use = Apply(instance, inputs, (output,), output.span, near.statement if near else 0)
        place = len(body)
        if after is not None:
            place = 1 + next(i for i, step in enumerate(body) if step is after)
        body.insert(place, use)
        if output.type.dtype == "bool":
            self.made[output] = (body, use)


def _padded(types: tuple[TensorType, ...]) -> list[int]:
    return [place for place, kind in enumerate(types) if kind.ragged]


def _rule(op: Layer, types: tuple[TensorType, ...]) -> tuple[list[int], Padding, tuple[int, ...]]:
    """Which inputs of a layer are padded, what it does about that, whose masks it reads."""
    padded = _padded(types)
    rule = op.padding_rule(*types) if padded else Padding()
    return padded, rule, tuple(place for place in rule.of if rule.reads and place in padded)


def _steps(kind: TensorType) -> TensorType:
    """The type of a mask."""
    return TensorType("bool", (kind.shape[ragged_axis(kind)],))


def _mask_of(value: Value) -> Value:
    return Value(_steps(value.type), f"{value.name}_mask", value.span, named=True)
