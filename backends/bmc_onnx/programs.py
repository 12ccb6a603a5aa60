"""evaluate.py, predict.py and the rest of an ONNX program; it is trained elsewhere."""

from __future__ import annotations

from bmc.emit.imports import Import
from bmc.emit.layout import render
from bmc.emit.pyexpr import Assign, DictExpr, Name, lit
from bmc.emit.templates import Code
from bmc.emit.text import string
from bmc_programs.files import (
    FILES,
    Framework,
    commands,
    evaluate_file,
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
from bmc_programs.report import report_file
from bmc_programs.run import Run, name
from bmc_programs.weights import weights_file

NAMES = {
    "onnxruntime": Import("onnxruntime"),
}


def emit(run: Run, build: str) -> dict[str, str]:
    """The files around model.py; `build` is the function in it."""
    framework = describe(run, build)
    evaluate = evaluate_file(run, framework)
    return {
        "evaluate.py": evaluate,
        "predict.py": predict_file(run, framework),
        "table.py": table_file(),
        "report.py": report_file(run, framework, takes_learned(run)),
        "weights.py": weights_file(run, trains=False),
        "requirements.txt": requirements_file(run, "bmc_onnx"),
        "README.md": readme(run, framework),
    }


def describe(run: Run, build: str) -> Framework:
    """What evaluate.py and predict.py need to know of onnxruntime."""
    popped = DictExpr(tuple((lit(one), taken(run, one)) for one in run.inputs))
    inputs = render([Assign(Name("inputs"), popped)], indent=8).rstrip("\n")
    names = ", ".join(map(string, run.outputs))
    targets = ", ".join(map(name, run.outputs))
    _, *others = commands(run, "weights.safetensors")
    return Framework(
        title="ONNX on onnxruntime",
        names=NAMES,
        weights="weights.safetensors",
        loading=text_of("bmc_onnx", "loading.py", build=Code(build)),
        setup=(
            "providers = choose_device(args.device)",
            "model = load_model(args.weights, providers)",
        ),
        compute=text_of(
            "bmc_onnx",
            "compute.py",
            masks=Code(masks_of(run)),
            by_place=run.by_place is not None,
            inputs=Code(inputs),
            targets=Code(targets if len(run.outputs) > 1 else f"({targets},)"),
            names=Code(f"[{names}]"),
            outputs=outputs_of(run),
        ),
        constants=('GRAPH = Path(__file__).with_name("model_graph.onnx")',),
        files=FILES,
        commands=(
            "python model.py --weights run/weights.safetensors -o model.onnx",
            *others,
        ),
        notes=text_of("bmc_onnx", "notes.md"),
        alone=text_of("bmc_onnx", "alone.py", build=Code(build)),
    )
