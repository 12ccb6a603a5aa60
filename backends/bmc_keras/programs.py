"""train.py, optimizer.py, evaluate.py, predict.py and the rest of a Keras program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bmc.emit.backend import Support
from bmc.emit.gate import HEADER
from bmc.emit.imports import Import
from bmc.emit.layout import render
from bmc.emit.pyexpr import (
    Assign,
    Attr,
    Bin,
    Call,
    Compare,
    Def,
    Expr,
    ExprStmt,
    For,
    IfStmt,
    Index,
    ListComp,
    ListExpr,
    Name,
    Param,
    Return,
    Statement,
    TupleExpr,
    Un,
    With,
    call,
    lit,
    method,
)
from bmc.emit.pyexpr import name as dotted
from bmc.emit.templates import Code
from bmc.emit.templates import render as fill
from bmc.emit.text import string
from bmc.ir.model import walk
from bmc.ir.training import tensors
from bmc.ops.recurrent import GRU
from bmc.types.tensor import TensorType
from bmc_keras.lower.table import LOWERINGS
from bmc_keras.lower.table import part as definition
from bmc_programs import loop, optimizing
from bmc_programs.files import (
    FILES,
    PLACE,
    Framework,
    commands,
    evaluate_file,
    finished,
    masks_of,
    outputs_of,
    predict_file,
    readme,
    requirements_file,
    table_file,
    taken,
    takes_learned,
    text_of,
)
from bmc_programs.rate import Rates
from bmc_programs.report import report_file
from bmc_programs.run import Run, name
from bmc_programs.start import start_file, start_note
from bmc_programs.weights import runs_file, weights_file

ENVIRONMENT = 'os.environ["KERAS_BACKEND"] = "tensorflow"'
NAMES = {
    "keras": Import("keras"),
    "ops": Import("keras", "ops"),
    "tf": Import("tensorflow", alias="tf"),
    "name_weights": Import("model", "name_weights"),
    "GRUPlace": Import("model", "GRUPlace"),
}
OPTIMIZER = "Optimisers with the papers' and PyTorch's update rules, as Keras optimisers."


def emit(run: Run, build: str) -> dict[str, str]:
    """The files around model.py; `build` is the function in it."""
    framework = describe(run, build)
    evaluate = evaluate_file(run, framework)
    classes = classes_of(optimizing.parts_of(run, LOWERINGS))
    return {
        "train.py": train_file(run, framework, build),
        "checkpoint.py": checkpoint_file(run),
        **optimizing.optimizer_file(classes, OPTIMIZER, NAMES),
        "evaluate.py": evaluate,
        "predict.py": predict_file(run, framework),
        "table.py": table_file(),
        "report.py": report_file(run, framework, takes_learned(run)),
        **({"start.py": start_file(run.start)} if run.start else {}),
        "runs.py": runs_file(run),
        **loop.gradients_file(run, "bmc_keras"),
        **loop.log_file(run, "keras"),
        "weights.py": weights_file(run, trains=True),
        "requirements.txt": requirements_file(run, "bmc_keras"),
        "README.md": readme(run, framework),
    }


def describe(run: Run, build: str) -> Framework:
    """What evaluate.py and predict.py need to know of Keras."""
    classes = classes_of(optimizing.parts_of(run, LOWERINGS))
    popped = tuple(taken(run, entry) for entry in run.inputs)
    inputs = popped[0] if len(popped) == 1 else ListExpr(popped)
    outputs = tuple(Name(name(output)) for output in run.outputs)
    targets = outputs[0] if len(outputs) == 1 else outputs
    forward = Assign(targets, call("model.predict_on_batch", inputs))
    return Framework(
        title="Keras on TensorFlow",
        names={**NAMES, build: Import("model", build), **optimizing.names_of(classes)},
        weights="weights.safetensors",
        loading=text_of("bmc_keras", "loading.py", build=Code(build)),
        setup=("choose_device(args.device)", "model = load_model(args.weights)"),
        compute=text_of(
            "bmc_keras",
            "compute.py",
            masks=Code(masks_of(run)),
            by_place=run.by_place is not None,
            run=Code(render([forward], indent=8).rstrip("\n")),
            outputs=outputs_of(run, widen=lambda value: method(value, "astype", "float32")),
        ),
        between=ENVIRONMENT,
        files=FILES | loop.files_of(run, classes) | start_note(run),
        commands=commands(run, "weights.safetensors"),
        notes=text_of("bmc_programs", "notes.md", last=run.train.stop is not None),
        alone=text_of("bmc_keras", "alone.py", build=Code(build)),
    )


# --- train.py -------------------------------------------------------------------------------------


def train_file(run: Run, framework: Framework, build: str) -> str:
    """train.py"""
    train = run.train
    parts = optimizing.parts_of(run, LOWERINGS)
    scored = "model" if train.ema is None else "average"
    functions = [
        Rates(train).function(),
        text_of("bmc_keras", "split_weights.py") if len(parts) > 1 else None,
        optimizer_function(parts, _paired(run)),
        *(one.code.rstrip("\n") for one in loop.loss_lines(run, LOWERINGS)[1]),
        step_function(run, kind_of(parts)),
        text_of("bmc_keras", "freeze.py") if run.train.freeze else None,
        text_of("bmc_keras", "average.py") if run.train.ema is not None else None,
        text_of("bmc_keras", "load_start.py") if run.start is not None else None,
        text_of("bmc_keras", "save_weights.py", **loop.handed(run)) if train.stop else None,
    ]
    length = "epochs" if train.epochs is not None else "steps"
    text = fill(
        "bmc_keras",
        "train.py",
        header=Code(HEADER.rstrip("\n")),
        imports=Code(PLACE),
        model=Code(run.model),
        build=Code(build),
        data=Code(run.path),
        constants=Code(loop.constants(run, parts)),
        functions=Code("\n\n\n".join(filter(None, functions))),
        length=Code(length),
        default=Code(length.upper()),
        learned=loop.learned(run),
        begin=loop.beginning(run),
        optimizer=Code(train.main_optimizer.name),
        **loop.start_slots(run),
        size=loop.size(run),
        whole=train.whole,
        loop=loop.text(
            run,
            loop.Turn(
                step=step_lines(run),
                first=f"batch[{string((*run.targets, *run.inputs)[0])}]",
                mode="",
                collected="tf.stack(losses).numpy()",
                average="update_average(tf.constant(1.0 if step == 1 else 1 - EMA, tf.float32))",
            ),
        ),
        freeze=bool(run.train.freeze),
        precision=run.precision,
        half=Code(run.half or ""),
        scaled=run.scaled,
        float32={"fp32": Code("False"), "tf32": Code("True")}.get(run.precision, ""),
        watched=train.stop is not None,
        average=run.train.ema is not None,
        scored=Code(scored),
    )
    return finished(text, framework, run)


def checkpoint_file(run: Run) -> str:
    """checkpoint.py"""
    parts = optimizing.parts_of(run, LOWERINGS)
    kept = []
    for part in parts:
        slots = dict(part.update.slots)
        scalars = slots.pop("mu_product", "")
        named = [(Code(slot), Code(attribute)) for slot, attribute in slots.items()]
        kept.append((Code(part.word), named, Code(scalars)))
    return loop.checkpoint_file(
        run,
        "bmc_keras",
        {**NAMES, "Place": Import("model", "Place"), **optimizing.names_of(classes_of(parts))},
        kind=Code(kind_of(parts)),
        parts=kept,
        slotted=any(named or scalars for _, named, scalars in kept),
        holes=any(part.update.kind in ("Muon", "Adafactor") for part in parts),
        factored=any(part.update.kind == "Adafactor" for part in parts),
        scalar=any(scalars for _, _, scalars in kept),
        whole=run.train.whole,
        counted=any(part.update.counts for part in parts),
    )


def step_lines(run: Run) -> list[str]:
    """The lines of the loop for one batch."""
    given: list[Expr] = [
        Index(Name("batch"), (lit(array),)) for array in (*run.inputs, *run.targets)
    ]
    lines = []
    rates = Rates(run.train)
    if rates.made is not None:
        lines.append(f"rate = tf.constant({rates.call()}, tf.float32)")
        given.append(Name("rate"))
    if run.train.accumulate > 1:
        lines.append("share = tf.constant(share, tf.float32)")
        given += [Name("share"), Name("last")]
    step = ExprStmt(call("losses.append", call("train_step", *given)))
    return [*lines, *loop.lines_of([step])]


def classes_of(parts: Sequence[optimizing.Part]) -> list[Support]:
    """What optimizer.py defines."""
    found = {one.name: one for part in parts for one in part.update.classes}
    if len(parts) > 1:
        found["Parts"] = definition("Parts")
    return list(found.values())


def kind_of(parts: Sequence[optimizing.Part]) -> str:
    """What `create_optimizer` gives."""
    return "Parts" if len(parts) > 1 else parts[0].update.kind


# What optimisers have to know of weights.safetensors beside the variables.
PLACED = {
    "Muon": ("matrices",),
    "Adafactor": ("places", "pairs"),
    "LAMB": ("pairs",),
}


def _paired(run: Run) -> bool:
    """Whether Keras has two tensors of weights.safetensors in one: both biases of a GRU."""
    found = (layer for top in run.program.main.instances for _, layer in walk(top))
    return any(isinstance(layer.target, GRU) and layer.target.bias for layer in found)


def _known_places(kinds: set[str], paired: bool) -> tuple[list[Statement], set[str], Expr]:
    """The lines that say what optimisers have to know, its names, and the places of all weights."""
    wanted = {key for kind in kinds for key in PLACED.get(kind, ())}
    wanted -= set() if paired else {"pairs"}
    every: Expr = call(Attr(call("name_weights", Name("model")), "values"))
    two_axes = Compare("==", dotted("place.ndim"), lit(2))
    body: list[Statement] = []
    if "places" in wanted:
        body.append(Assign(Name("places"), call("list", every)))
        every = Name("places")
    if "matrices" in wanted:
        matrices = ListComp(Name("place"), Name("place"), every, (two_axes,))
        body.append(Assign(Name("matrices"), matrices))
    if "pairs" in wanted:
        gru = call("isinstance", Name("place"), Name("GRUPlace"))
        first = Bin("and", gru, Compare("==", dotted("place.row"), lit(0)))
        pairs = ListComp(dotted("place.variable"), Name("place"), every, (first,))
        body.append(Assign(Name("pairs"), pairs))
    return body, wanted, every


def optimizer_function(parts: Sequence[optimizing.Part], paired: bool) -> str:
    """`create_optimizer`"""
    body, named, every = _known_places({part.update.kind for part in parts}, paired)
    for part in parts:
        word = "optimizer" if len(parts) == 1 else part.word
        kind = part.update.kind
        more: dict[str, Expr] = {key: Name(key) for key in PLACED.get(kind, ()) if key in named}
        if part.optimizer.whole:
            more["places"] = call("name_weights", Name("model"))
        made = call(kind, part.rate, **part.settings(), **more)
        body.append(Assign(Name(word), made))
    if any(part.spares for part in parts):
        one_axis = Compare("==", dotted("place.ndim"), lit(1))
        kept = ListComp(dotted("place.variable"), Name("place"), every, (one_axis,))
        body.append(Assign(Name("kept"), kept))
    for part in parts:
        word = "optimizer" if len(parts) == 1 else part.word
        if part.spares:
            body.append(ExprStmt(call(f"{word}.exclude_from_weight_decay", var_list=Name("kept"))))
    if len(parts) > 1:
        words = ListExpr(tuple(Name(part.word) for part in parts))
        shares = ListExpr(tuple(part.share for part in parts))
        split = call("split_weights", Name("model"))
        made = call("Parts", Name("LEARNING_RATE"), words, shares, split)
        body.append(Assign(Name("optimizer"), made))
    if parts[-1].optimizer.whole:
        body = [Return(made)]
    else:
        body.append(ExprStmt(call("optimizer.build", dotted("model.trainable_variables"))))
        body.append(Return(Name("optimizer")))
    takes = (Param("model", dotted("keras.Model")),)
    doc = optimizing.about_optimizer(parts)
    gives = Name(kind_of(parts))
    return render([Def("create_optimizer", takes, gives, tuple(body), doc)]).rstrip("\n")


def _update_lines(run: Run, scheduled: bool) -> list[Statement]:
    """Clipping, the rate, and the update."""
    body: list[Statement] = []
    if run.train.clip_value is not None:
        dense = call("tf.convert_to_tensor", Name("gradient"))  # also of embeddings
        bound: Expr = Name("CLIP_VALUE")
        if run.scaled:
            body.append(Assign(Name("bound"), Bin("*", bound, dotted("optimizer.dynamic_scale"))))
            bound = Name("bound")
        clipped = call("ops.clip", dense, Un("-", bound), bound)
        if run.scaled:  # infinity has to be seen
            clipped = call("ops.where", call("ops.isfinite", dense), clipped, dense)
        every = ListComp(clipped, Name("gradient"), Name("gradients"))
        body.append(Assign(Name("gradients"), every))
    if run.train.clip_norm is not None:
        norm: Expr = call("tf.linalg.global_norm", Name("gradients"))
        norm = Bin("/", norm, dotted("optimizer.dynamic_scale")) if run.scaled else norm
        body.append(Assign(Name("norm"), norm))
        share = Bin("/", Name("CLIP_NORM"), Bin("+", Name("norm"), lit(1e-6)))
        body.append(Assign(Name("factor"), call("ops.minimum", 1.0, share)))
        shorter = ListComp(
            Bin("*", Name("gradient"), Name("factor")), Name("gradient"), Name("gradients")
        )
        body.append(Assign(Name("gradients"), shorter))
    if scheduled:
        body.append(Assign(dotted("optimizer.learning_rate"), Name("rate")))
    body.append(ExprStmt(call("optimizer.apply", Name("gradients"), Name("variables"))))
    return body


def _accumulated(update: list[Statement]) -> list[Statement]:
    """Gradients added up, by their share of the rows; the update after the last ones."""
    dense = call("tf.convert_to_tensor", Name("gradient"))  # also of embeddings
    added = call(
        "total.assign_add", Bin("*", call("ops.cast", Name("share"), dotted("total.dtype")), dense)
    )
    pairs = call("zip", Name("sums"), Name("gradients"), strict=True)
    each = For((Name("total"), Name("gradient")), pairs, (ExprStmt(added),))
    gathered = ListComp(call("tf.identity", Name("total")), Name("total"), Name("sums"))
    cleared = ExprStmt(call("total.assign", call("tf.zeros_like", Name("total"))))
    clear = For(Name("total"), Name("sums"), (cleared,))
    return [each, IfStmt(Name("last"), (Assign(Name("gradients"), gathered), *update, clear))]


def _arrays(run: Run) -> dict[str, TensorType]:
    """What a training step takes, in its order."""
    inputs = {entry.value.name: entry.value.type for entry in run.program.main.inputs}
    refs = {ref.name: ref.type for tree in run.scored for ref in tensors(tree)}
    return {array: inputs.get(array) or refs[array] for array in (*run.inputs, *run.targets)}


def _varied(run: Run) -> bool:
    """Whether batches differ in more than their rows."""
    return any(kind.ragged for kind in _arrays(run).values())


def _signature(run: Run) -> Expr:
    """`[tf.TensorSpec((None, None), tf.int64), …]`"""
    types = {"float": "tf.float32", "int": "tf.int64", "bool": "tf.bool"}

    def spec(shape: tuple[Any, ...], dtype: str) -> Expr:
        sizes = tuple(lit(int(size) if isinstance(size, int) else None) for size in shape)
        return call("tf.TensorSpec", TupleExpr(sizes), dotted(dtype))

    arrays = [spec((None, *kind.shape), types[kind.dtype]) for kind in _arrays(run).values()]
    more = ["tf.float32"] if Rates(run.train).made is not None else []
    more += ["tf.float32", "tf.bool"] if run.train.accumulate > 1 else []
    return ListExpr((*arrays, *(spec((), dtype) for dtype in more)))


def step_function(run: Run, kind: str) -> str:
    """`create_train_step`: a closure, since Python objects as arguments cost time at each call."""
    arrays = (*run.inputs, *run.targets)
    takes = [Param(name(array), dotted("tf.Tensor")) for array in arrays]
    inputs: tuple[Expr, ...] = tuple(Name(name(entry)) for entry in run.inputs)
    given = inputs[0] if len(inputs) == 1 else call("list", TupleExpr(inputs))
    outputs = tuple(Name(name(output)) for output in run.outputs)
    forward = Call(Name("model"), (given,), (("training", lit(True)),))
    widened = [
        Assign(Name(name(output)), call("ops.cast", Name(name(output)), "float32"))
        for output in run.rounded
    ]
    scaled = Assign(Name("scaled"), call("optimizer.scale_loss", Name("loss")))
    recorded: tuple[Statement, ...] = (
        Assign(outputs[0] if len(outputs) == 1 else outputs, forward),
        *widened,
        *loop.loss_lines(run, LOWERINGS)[0],
        *([scaled] if run.scaled else []),
    )
    loss = Name("scaled" if run.scaled else "loss")
    kind = "keras.optimizers.LossScaleOptimizer" if run.scaled else kind
    body: list[Statement] = [
        With(call("tf.GradientTape"), recorded, "tape"),
        Assign(Name("variables"), dotted("model.trainable_variables")),
        Assign(Name("gradients"), call("tape.gradient", loss, Name("variables"))),
    ]
    if run.train.whole:
        return _searching(run, kind, takes, body)
    doc = "Update the model on one batch; return the mean loss of the batch."
    scheduled = Rates(run.train).made is not None
    takes += [Param("rate", dotted("tf.Tensor"))] if scheduled else []
    update = _update_lines(run, scheduled)
    before: tuple[Statement, ...] = ()
    if run.train.accumulate > 1:
        doc = "Add the gradients of a batch; after the last update the model. Return the mean loss."
        takes += [Param("share", dotted("tf.Tensor")), Param("last", Name("bool"))]
        zeros = call("tf.Variable", call("tf.zeros_like", Name("v")), trainable=False)
        sums = ListComp(zeros, Name("v"), dotted("model.trainable_variables"))
        before = (Assign(Name("sums"), sums),)
        body += _accumulated(update)
    else:
        body += update
    body.append(Return(Name("loss")))
    decorator, signed = _graph(run)
    inner = Def("train_step", tuple(takes), dotted("tf.Tensor"), tuple(body), doc, (decorator,))
    return _step_maker(kind, (*before, *signed, inner))


def _searching(run: Run, kind: str, takes: Sequence[Param], body: Sequence[Statement]) -> str:
    """`create_train_step` where an optimiser computes the loss as often as it needs it."""
    both = Index(Name("tuple"), (dotted("tf.Tensor"), Index(Name("list"), (dotted("tf.Tensor"),))))
    given = TupleExpr((Name("loss"), Name("gradients")))
    decorator, signed = _graph(run)
    doc = "Return the mean loss of all rows, and its gradients."
    computing = Def("compute", tuple(takes), both, (*body, Return(given)), doc, (decorator,))
    arrays = (Name(name(array)) for array in (*run.inputs, *run.targets))
    evaluate = call("partial", Name("compute"), *arrays)
    variables = dotted("model.trainable_variables")
    doc = "Update the model on all rows; return their mean loss before."
    update = Return(call("optimizer.minimize", evaluate, variables))
    inner = Def("train_step", tuple(takes), dotted("tf.Tensor"), (update,), doc)
    return _step_maker(kind, (*signed, computing, inner))


def _graph(run: Run) -> tuple[Expr, tuple[Statement, ...]]:
    """`tf.function` as a decorator, and the statement that it stands on.

    One graph for all lengths. Of fixed sizes each has its own: then it does not depend on which
    was seen first what a batch is computed with, and a run that goes on stays the same.
    """
    options: dict[str, Any] = {"jit_compile": True} if run.train.compile else {}
    before: tuple[Statement, ...] = ()
    if _varied(run):
        before = (Assign(Name("signature"), _signature(run)),)
        options = {"input_signature": Name("signature"), **options}
    return (call("tf.function", **options) if options else dotted("tf.function")), before


def _step_maker(kind: str, body: tuple[Statement, ...]) -> str:
    """`create_train_step`"""
    gives = Index(Name("Callable"), (lit(...), dotted("tf.Tensor")))
    takes = (Param("model", dotted("keras.Model")), Param("optimizer", dotted(kind)))
    outer = Def("create_train_step", takes, gives, (*body, Return(Name("train_step"))))
    return render([outer]).rstrip("\n")
