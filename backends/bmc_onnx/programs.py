"""evaluate.py, predict.py and the rest of an ONNX program; it is trained elsewhere."""

from __future__ import annotations

from bmc.emit.imports import Import
from bmc.emit.layout import string
from bmc_programs.programs import (
    FILES,
    Framework,
    commands,
    evaluate_file,
    outputs_of,
    predict_file,
    readme,
)
from bmc_programs.run import Run, name
from bmc_programs.weights import weights_file

NAMES = {
    "onnxruntime": Import("onnxruntime"),
}
LOADING = '''\
def choose_device(name: str) -> list[str]:
    """Return onnxruntime's words for the device; "auto" takes a GPU if it can."""
    cpu, cuda = "CPUExecutionProvider", "CUDAExecutionProvider"
    if name != "cpu" and cuda in onnxruntime.get_available_providers():
        return [cuda, cpu]
    if name == "cuda":
        raise SystemExit("--device cuda: this onnxruntime was built without CUDA")
    return [cpu]


def load_model(weights: Path, providers: list[str]) -> onnxruntime.InferenceSession:
    """Open the graph and give it the weights; model.py writes the graph if need be."""
    if not GRAPH.exists():
        from model import {build}, save

        save({build}(), GRAPH)
    shapes = json.loads(GRAPH.with_suffix(".json").read_text())
    wanted = {{name: tuple(shape) for name, shape in shapes.items()}}
    tensors = read_weights(weights, wanted)
    values = [onnxruntime.OrtValue.ortvalue_from_numpy(t) for t in tensors.values()]
    options = onnxruntime.SessionOptions()
    options.add_external_initializers(list(tensors), values)
    return onnxruntime.InferenceSession(GRAPH, options, providers=providers)'''
COMPUTE = '''\
def compute_outputs(
    model: onnxruntime.InferenceSession, data: Data, split: str
) -> Arrays:
    """Run the model on the rows of a split; return its outputs, and their targets."""
    rows: list[Arrays] = []
    for batch in data.batches(split, BATCH):
        inputs = {inputs}
        {targets} = model.run({names}, inputs)
        rows.append(batch | {outputs})
    return {{name: np.concatenate([row[name] for row in rows]) for name in rows[0]}}'''
REQUIREMENTS = "numpy>=2.0\nonnx>=1.21\nonnxruntime>=1.23\nsafetensors>=0.5\n"
NOTES = """\
`weights.safetensors` comes from the PyTorch or the Keras program of the same spec; this one
predicts. `model.py` needs `onnx`, once: it writes `model.onnx`, the graph without weights, and
`model.json`, the shapes of the weights that it reads. With these files in place the other programs
need onnxruntime, numpy and safetensors alone."""


def emit(run: Run, build: str) -> dict[str, str]:
    """The files around model.py; `build` is the function in it."""
    framework = describe(run, build)
    return {
        "evaluate.py": evaluate_file(run, framework),
        "predict.py": predict_file(run, framework),
        "weights.py": weights_file(run, trains=False),
        "requirements.txt": REQUIREMENTS,
        "README.md": readme(run, framework),
    }


def describe(run: Run, build: str) -> Framework:
    """What evaluate.py and predict.py need to know of onnxruntime."""
    inputs = ", ".join(f"{string(one)}: batch.pop({string(one)})" for one in run.inputs)
    names = ", ".join(map(string, run.outputs))
    targets = ", ".join(map(name, run.outputs))
    _, *others = commands(run, "weights.safetensors")
    return Framework(
        title="ONNX on onnxruntime",
        names=NAMES,
        weights="weights.safetensors",
        loading=LOADING.format(build=build),
        setup=(
            "providers = choose_device(args.device)",
            "model = load_model(args.weights, providers)",
        ),
        compute=COMPUTE.format(
            inputs=f"{{{inputs}}}",
            targets=targets if len(run.outputs) > 1 else f"({targets},)",
            names=f"[{names}]",
            outputs=outputs_of(run, "{}"),
        ),
        constants=('GRAPH = Path(__file__).with_name("model.onnx")',),
        files=FILES,
        commands=("python model.py -o model.onnx", *others),
        notes=NOTES,
        alone=f'from model import {build}, save\n\nsave({build}(), "model.onnx")',
    )
