"""train.py, evaluate.py, predict.py and the rest of a PyTorch program."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
    DictExpr,
    Expr,
    ExprStmt,
    IfStmt,
    Index,
    ListComp,
    ListExpr,
    Name,
    Param,
    Return,
    Statement,
    TupleExpr,
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
from bmc.ops.recurrent import LSTM
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
from bmc_torch.lower.table import LOWERINGS
from bmc_torch.lower.table import part as definition

NAMES = {
    "torch": Import("torch"),
    "nn": Import("torch", "nn"),
    "F": Import("torch.nn.functional", alias="F"),
    "Tensor": Import("torch", "Tensor"),
    "name_weights": Import("model", "name_weights"),
}
OPTIMIZER = "The update rule, which PyTorch does not have."
OPTIMIZERS = {**NAMES, "ParamsT": Import("torch.optim.optimizer", "ParamsT")}


def emit(run: Run, counters: bool) -> dict[str, str]:
    """The files around model.py; `counters` says that batch norm keeps some of its own."""
    framework = describe(run, counters)
    evaluate = evaluate_file(run, framework)
    classes = classes_of(optimizing.parts_of(run, LOWERINGS))
    return {
        "train.py": train_file(run, framework, counters),
        "checkpoint.py": checkpoint_file(run, counters),
        "evaluate.py": evaluate,
        "predict.py": predict_file(run, framework),
        "table.py": table_file(),
        "report.py": report_file(run, framework, takes_learned(run)),
        **({"start.py": start_file(run.start)} if run.start else {}),
        "runs.py": runs_file(run),
        **loop.gradients_file(run, "bmc_torch"),
        **loop.log_file(run, "torch"),
        "weights.py": weights_file(run, trains=True),
        **optimizing.optimizer_file(classes, OPTIMIZER, OPTIMIZERS),
        "requirements.txt": requirements_file(run, "bmc_torch"),
        "README.md": readme(run, framework),
    }


def describe(run: Run, counters: bool) -> Framework:
    """What evaluate.py and predict.py need to know of PyTorch."""
    loosely, named = "", "model.state_dict()"
    if counters:
        loosely, named = ", strict=False", "name_weights(model)"
    model = run.model
    classes = classes_of(optimizing.parts_of(run, LOWERINGS))
    calls = render(_forward(run), indent=8).rstrip("\n")

    def array(value: Expr) -> Expr:
        return method(method(value, "cpu"), "numpy")

    slots = {"model": Code(model), "loosely": Code(loosely), "named": Code(named)}
    return Framework(
        title="PyTorch",
        names={
            **NAMES,
            model: Import("model", model),
            **optimizing.names_of(classes),
        },
        weights="weights.safetensors",
        loading=text_of("bmc_torch", "loading.py", **slots),
        setup=(
            "device = choose_device(args.device)",
            "model = load_model(args.weights, device)",
        ),
        compute=text_of(
            "bmc_torch",
            "compute.py",
            masks=Code(masks_of(run)),
            by_place=run.by_place is not None,
            run=Code(calls),
            outputs=outputs_of(run, array, lambda value: method(value, "float")),
        ),
        files=FILES | loop.files_of(run, classes) | start_note(run),
        commands=commands(run, "weights.safetensors"),
        notes=text_of("bmc_programs", "notes.md", last=run.train.stop is not None),
        alone=text_of("bmc_torch", "alone.py", **slots),
    )


def _forward(run: Run) -> list[Statement]:
    """`image = …` for each input, then the call of the model."""
    lines: list[Statement] = []
    for entry in run.inputs:
        tensor = method(call("torch.from_numpy", taken(run, entry)), "to", Name("device"))
        lines.append(Assign(Name(name(entry)), tensor))
    outputs = tuple(Name(name(output)) for output in run.outputs)
    given = tuple(Name(name(entry)) for entry in run.inputs)
    lines.append(Assign(outputs[0] if len(outputs) == 1 else outputs, Call(Name("model"), given)))
    return lines


# --- train.py -------------------------------------------------------------------------------------


def train_file(run: Run, framework: Framework, counters: bool) -> str:
    """train.py"""
    train = run.train
    parts = optimizing.parts_of(run, LOWERINGS)
    functions = [Rates(train).function()]
    functions += [text_of("bmc_torch", "split_weights.py")] if len(parts) > 1 else []
    functions.append(optimizer_function(run, parts))
    functions += [one.code.rstrip("\n") for one in loop.loss_lines(run, LOWERINGS)[1]]
    functions.append(step_function(run))
    layers = (inner for one in run.program.main.instances for _, inner in walk(one))
    lstm = run.half is not None and any(isinstance(layer.target, LSTM) for layer in layers)
    checked = run.precision == "bf16" or lstm
    kinds = {part.update.kind for part in parts}
    if checked:
        words = {"precision": Code(run.precision), "lstm": lstm}
        functions.append(text_of("bmc_torch", "check_precision.py", **words))
    if run.train.freeze:
        functions.append(text_of("bmc_torch", "freeze.py"))
    if run.train.ema is not None:
        functions.append(text_of("bmc_torch", "average.py"))
    scored = "model" if run.train.ema is None else "average"
    if run.start is not None:
        functions.append(text_of("bmc_torch", "load_start.py"))
    if train.stop is not None:
        state = Code("name_weights(model)" if counters else "model.state_dict()")
        functions.append(text_of("bmc_torch", "save_weights.py", state=state, **loop.handed(run)))
    more = {"PRECISION": dotted(f"torch.{run.half}")} if run.half else {}
    length = "epochs" if train.epochs is not None else "steps"
    text = fill(
        "bmc_torch",
        "train.py",
        header=Code(HEADER.rstrip("\n")),
        imports=Code(PLACE),
        model=Code(run.model),
        data=Code(run.path),
        constants=Code(loop.constants(run, parts, more)),
        functions=Code("\n\n\n".join(filter(None, functions))),
        length=Code(length),
        default=Code(length.upper()),
        learned=loop.learned(run),
        begin=loop.beginning(run),
        optimizer=Code(train.main_optimizer.name),
        **loop.start_slots(run),
        size=loop.size(run),
        whole=train.whole,
        state=Code(f"name_weights({scored})" if counters else f"{scored}.state_dict()"),
        scored=Code(scored),
        watched=train.stop is not None,
        average=run.train.ema is not None,
        compiled=run.train.compile,
        loop=loop.text(
            run,
            loop.Turn(
                step=step_lines(run),
                first=name((*run.targets, *run.inputs)[0]),
                mode="model.train()",
                collected="torch.stack(losses).cpu().numpy()",
                average="update_average(average, model, step == 1)",
                around="torch.autocast(device.type, PRECISION)" if run.half else "",
            ),
        ),
        freeze=bool(run.train.freeze),
        precision=run.precision,
        checked=checked,
        hooked=Code("optimizer.optimizers[0]" if len(kinds) > 1 else "optimizer"),
        scaled=run.scaled,
        float32={"fp32": "ieee", "tf32": "tf32"}.get(run.precision, ""),
    )
    return finished(text, framework, run)


def checkpoint_file(run: Run, counters: bool) -> str:
    """checkpoint.py"""
    parts = optimizing.parts_of(run, LOWERINGS)
    form = "name_weights({})" if counters else "{}.state_dict()"
    return loop.checkpoint_file(
        run,
        "bmc_torch",
        {**NAMES, **optimizing.names_of(classes_of(parts))},
        kinds=len({part.update.kind for part in parts}),
        named=Code(form.format("self.model")),
        averaged=Code(form.format("self.average")),
        state=Code(form.format("model")),
        whole=run.train.whole,
        loosely=Code(", strict=False" if counters else ""),
    )


def step_lines(run: Run) -> list[str]:
    """The lines of the loop for one batch."""
    arrays = (*run.inputs, *run.targets)
    lines = [f"{name(a)} = to_device(batch[{string(a)}], device)" for a in arrays]
    rates = Rates(run.train)
    if rates.made is not None:
        share = ' * group["share"]' if len(run.train.optimizers) > 1 else ""
        rate = f'    group["lr"] = {rates.call()}{share}'
        lines += ["for group in optimizer.param_groups:", rate]
    given = [*(["scaler"] if run.scaled else []), *map(name, arrays)]
    given += [*(["share", "last"] if run.train.accumulate > 1 else [])]
    learner = "compiled" if run.train.compile else "model"
    step = call("train_step", Name(learner), Name("optimizer"), *map(Name, given))
    return [*lines, *loop.lines_of([ExprStmt(call("losses.append", step))])]


def classes_of(parts: Sequence[optimizing.Part]) -> list[Support]:
    """What optimizer.py defines."""
    found = {one.name: one for part in parts for one in part.update.classes}
    if len({part.update.kind for part in parts}) > 1:
        found["Parts"] = definition("Parts")
    return list(found.values())


def kind_of(run: Run) -> Expr:
    """What `create_optimizer` gives."""
    kinds = {part.update.kind for part in optimizing.parts_of(run, LOWERINGS)}
    return dotted("torch.optim.Optimizer") if len(kinds) == 1 else Name("Parts")


def optimizer_function(run: Run, parts: Sequence[optimizing.Part]) -> str:
    """`create_optimizer`"""
    scheduled = Rates(run.train).made is not None
    single = len(parts) == 1
    made = _single(parts[0], bool(run.train.freeze)) if single else _several(parts, scheduled)
    takes = (Param("model", Name(run.model)),)
    gives = kind_of(run)
    doc = optimizing.about_optimizer(parts)
    return render([Def("create_optimizer", takes, gives, tuple(made), doc)]).rstrip("\n")


def _single(part: optimizing.Part, frozen: bool) -> list[Statement]:
    """One optimiser for all weights."""
    body: list[Statement] = []
    weights: Expr = call("model.parameters")
    if part.spares:
        for target, sign in (("decayed", ">"), ("kept", "==")):
            body.append(Assign(Name(target), _filtered(call("model.parameters"), sign)))
        groups = (
            DictExpr(((lit("params"), Name("decayed")),)),
            DictExpr(((lit("params"), Name("kept")), (lit("weight_decay"), lit(0.0)))),
        )
        body.append(Assign(Name("groups"), ListExpr(groups), GROUPS))
        weights = Name("groups")
    if part.optimizer.whole:
        # A state has one vector of all weights: its order must be known wherever it goes on.
        ordered = call("sorted", call("model.named_parameters"))
        each = TupleExpr((Name("_"), Name("weight")))
        learns = (dotted("weight.requires_grad"),) if frozen else ()
        body.append(Assign(Name("weights"), ListComp(Name("weight"), each, ordered, learns)))
        weights = Name("weights")
    made = call(part.update.kind, weights, lr=Name("LEARNING_RATE"), **part.settings())
    return [*body, Return(made)]


def _several(parts: Sequence[optimizing.Part], scheduled: bool) -> list[Statement]:
    """Groups of weights with settings of their own, one optimiser for each kind."""
    words = tuple(Name(part.word) for part in parts)
    body: list[Statement] = [Assign(words, call("split_weights", Name("model")))]
    made: list[Expr] = []
    kinds = list(dict.fromkeys(part.update.kind for part in parts))
    for kind in kinds:
        same = [part for part in parts if part.update.kind == kind]
        groups = [group for part in same for group in _groups(part, same[-1], scheduled)]
        target = Name("groups" if len(kinds) == 1 else f"{same[-1].word}_groups")
        body.append(Assign(target, ListExpr(tuple(groups)), GROUPS))
        made.append(call(kind, target, lr=same[-1].rate, **same[-1].settings()))
    return [*body, Return(made[0] if len(made) == 1 else call("Parts", ListExpr(tuple(made))))]


def _groups(part: optimizing.Part, lead: optimizing.Part, scheduled: bool) -> list[Expr]:
    """The groups of a part: what differs from the settings that its optimiser is made with."""
    mine, others = part.settings(), lead.settings()
    own = {"lr": part.rate} if part.rate != lead.rate else {}
    own |= {key: value for key, value in mine.items() if value != others.get(key)}
    switched = {key for key, value in lead.update.settings.values() if value is True}
    switched |= {key for key, value in lead.update.fixed.items() if value is True}
    for key in sorted(others.keys() - mine.keys()):
        own[key] = lit(False if key in switched else 0.0)
    if scheduled:
        own["share"] = part.share
    weights = Name(part.word)
    if not part.spares:
        return [_group(weights, own)]
    kept = {**own, "weight_decay": lit(0.0)}
    return [_group(_filtered(weights, ">"), own), _group(_filtered(weights, "=="), kept)]


def _group(weights: Expr, own: Mapping[str, Expr]) -> Expr:
    pairs = tuple((lit(key), value) for key, value in own.items())
    return DictExpr(((lit("params"), weights), *pairs))


GROUPS = Index(Name("list"), (Index(Name("dict"), (Name("str"), Name("Any"))),))


def _filtered(weights: Expr, sign: str) -> Expr:
    """Those of one axis, or of more."""
    test = Compare(sign, Attr(Name("p"), "ndim"), lit(1))
    return ListComp(Name("p"), Name("p"), weights, (test,))


def step_function(run: Run) -> str:
    """`train_step`: forward, backward, update. Nothing waits for the device."""
    arrays = (*run.inputs, *run.targets)
    takes = [Param("model", Name(run.model)), Param("optimizer", kind_of(run))]
    takes += [Param(name(a), Name("Tensor")) for a in arrays]
    outputs = tuple(Name(name(output)) for output in run.outputs)
    forward = Call(Name("model"), tuple(Name(name(entry)) for entry in run.inputs))
    body: list[Statement] = [Assign(outputs[0] if len(outputs) == 1 else outputs, forward)]
    if run.half:
        device = dotted(f"{name(run.inputs[0])}.device.type")
        body = [With(call("torch.autocast", device, Name("PRECISION")), tuple(body))]
        for output in run.rounded:
            body.append(Assign(Name(name(output)), call(f"{name(output)}.float")))
    body += loop.loss_lines(run, LOWERINGS)[0]
    clear = ExprStmt(call("optimizer.zero_grad", set_to_none=True))
    update: list[Statement] = []
    if run.scaled and (run.train.clip_value is not None or run.train.clip_norm is not None):
        update.append(ExprStmt(call("scaler.unscale_", Name("optimizer"))))
    if run.train.clip_value is not None:
        weights = call("model.parameters")
        update.append(ExprStmt(call("nn.utils.clip_grad_value_", weights, Name("CLIP_VALUE"))))
    if run.train.clip_norm is not None:
        weights = call("model.parameters")
        update.append(ExprStmt(call("nn.utils.clip_grad_norm_", weights, Name("CLIP_NORM"))))
    if run.scaled:
        takes.insert(2, Param("scaler", dotted("torch.amp.GradScaler")))
        update.append(ExprStmt(call("scaler.step", Name("optimizer"))))
        update.append(ExprStmt(call("scaler.update")))
    else:
        update.append(ExprStmt(call("optimizer.step")))
    doc = "Update the model on one batch; return the mean loss of the batch."
    told = Return(method(Name("loss"), "detach"))
    if run.train.accumulate > 1:
        takes += [Param("share", Name("float")), Param("last", Name("bool"))]
        doc = "Add the gradients of a batch; after the last update the model. Return the mean loss."
        share = Bin("*", Name("loss"), Name("share"))
        body.append(ExprStmt(method(_scaled(run, share), "backward")))
        body += [IfStmt(Name("last"), (*update, clear)), told]
    elif run.train.whole:
        body += [ExprStmt(call("loss.backward")), Return(Name("loss"))]
        body = [
            Def("closure", (), Name("Tensor"), (clear, *body)),
            Return(method(call("optimizer.step", Name("closure")), "detach")),
        ]
        doc = "Update the model on all rows; return their mean loss before."
    else:
        backward = ExprStmt(method(_scaled(run, Name("loss")), "backward"))
        body += [clear, backward, *update, told]
    return render([Def("train_step", tuple(takes), Name("Tensor"), tuple(body), doc)]).rstrip("\n")


def _scaled(run: Run, loss: Expr) -> Expr:
    return call("scaler.scale", loss) if run.scaled else loss
