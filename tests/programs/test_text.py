"""Generated programs as text: clean, pinned, the same on every run, and safe."""

from __future__ import annotations

import ast
import copy
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from tests.programs.project import BACKENDS, ROOT, SPECS, TRAINED, compiled, succeed, written

from bmc import driver
from bmc.diagnostics.diagnostic import Problems
from bmc.project import open_project
from bmc.weights.files import expected

GOLDEN = ROOT / "tests" / "golden"
PINNED = [("vision/lenet", backend) for backend in BACKENDS]
PINNED += [("vision/small_resnet", backend) for backend in BACKENDS]
EVERY = [
    pytest.param(spec, backend, id=f"{spec.stem}-{backend}")
    for spec in TRAINED
    for backend in BACKENDS
]
RULES = ("--isolated", "--no-cache", "--line-length", "88")


def tool(folder: Path, *command: str) -> str:
    """What a tool has to say about a folder; nothing when all is fine."""
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, check=False
    )
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.parametrize(("spec", "backend"), EVERY)
def test_ruff_finds_nothing(spec: Path, backend: str, tmp_path: Path) -> None:
    written(tmp_path, spec, backend)
    assert tool(tmp_path, "ruff", "check", *RULES, "--select", "E,F,I,UP,B", ".") == ""
    assert tool(tmp_path, "ruff", "format", *RULES, "--check", ".") == ""


DIGITS, EMOTIONS, HOUSING = "vision/digits", "tabular/emotions", "tabular/housing"
# Keys, losses, metrics and optimisers that no spec has.
VARIANTS: list[tuple[str, dict[str, str]]] = [
    (DIGITS, {"optimizer": "lion(lr=1e-4)", "accumulate": "4", "ema": "0.99",
              "stop": "patience(3, least=0.01)"}),
    (DIGITS, {"optimizer": "lamb(lr=1e-3)", "schedule": "plateau(on=validation.accuracy)",
              "clip_norm": "1.0", "clip_value": "0.5"}),
    (DIGITS, {"optimizer": "sgdw(lr=0.1, momentum=0.9)", "compile": "true",
              "schedule": "warmup_stable_decay(shape=sqrt)"}),
    (DIGITS, {"optimizer": "nadam(lr=1e-3)", "loss": "(logits, digit) -> focal",
              "schedule": "cosine(restarts=2 epochs)"}),
    (DIGITS, {"optimizer": "rmsprop(lr=1e-3, centered=true)", "freeze": "[dense1]",
              "loss": "(logits, digit) -> cross_entropy(ignore=3, label_smoothing=0.1)"}),
    (DIGITS, {"optimizer": "adam(lr=1e-3, amsgrad=true)", "loss": "(logits, digit) -> "
              "cross_entropy(class_weight=[1,2,3,4,5,6,7,8,9,10], ignore=0)"}),
    (DIGITS, {"optimizer": "adagrad(lr=1e-2)", "metrics": "(logits, digit) -> [balanced_accuracy, "
              "cohen_kappa, matthews, top_k(k=3), precision, recall(average=micro), log_loss, "
              "brier, calibration_error, perplexity, bits, hamming, iou]"}),
    (EMOTIONS, {"loss": "(logits, moods) -> dice", "metrics": "(logits, moods) -> [roc_auc, "
                "average_precision, f1(average=samples), accuracy]"}),
    (EMOTIONS, {"optimizer": "adadelta(lr=1.0)", "loss": "(logits, moods) -> "
                "binary_cross_entropy(ignore=1, class_weight=[1.0, 2.0])"}),
    (HOUSING, {"optimizer": "adamax(lr=1e-3)", "loss": "(cost, price) -> quantile(level=0.9)",
               "metrics": "(cost, price) -> [coverage, mape, smape]"}),
    (HOUSING, {"optimizer": "sgd(lr=0.1, momentum=0.9, dampening=0.1)",
               "loss": "(cost, price) -> log_cosh"}),
]  # fmt: skip


@pytest.mark.parametrize("number", range(len(VARIANTS)))
@pytest.mark.parametrize("backend", ["torch", "keras"])
def test_ruff_finds_nothing_in_variants(backend: str, number: int, tmp_path: Path) -> None:
    spec, keys = VARIANTS[number]
    settings = {f"train__{key}": value for key, value in keys.items()}
    written(tmp_path, SPECS / f"{spec}.bm", backend, **settings)
    assert tool(tmp_path, "ruff", "check", *RULES, "--select", "E,F,I,UP,B", ".") == ""
    assert tool(tmp_path, "ruff", "format", *RULES, "--check", ".") == ""


def types(folder: Path) -> str:
    """What mypy finds; programs of one run share what it knows of the libraries."""
    known = ("--cache-dir", str(folder.parent / "mypy"))
    return tool(folder, "mypy", "--ignore-missing-imports", "--no-error-summary", *known, ".")


PUBLISHED = [p for p in sorted(SPECS.glob("*/*.bm")) if "\nmodel " in p.read_text("utf-8")]


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_ruff_finds_nothing_in_published_models(backend: str, tmp_path: Path) -> None:
    for spec in PUBLISHED:
        text = compiled(spec, backend)["model.py"]
        (tmp_path / f"{spec.stem}.py").write_text(text, encoding="utf-8")
    assert tool(tmp_path, "ruff", "check", *RULES, "--select", "E,F,UP,B", ".") == ""
    assert tool(tmp_path, "ruff", "format", *RULES, "--check", ".") == ""
    assert types(tmp_path) == ""


@pytest.mark.slow
@pytest.mark.parametrize(("spec", "backend"), EVERY)
def test_mypy_finds_nothing(spec: Path, backend: str, tmp_path: Path) -> None:
    written(tmp_path, spec, backend)
    assert types(tmp_path) == ""


@pytest.mark.parametrize(("name", "backend"), PINNED)
def test_programs_are_as_pinned(name: str, backend: str) -> None:
    """`BMC_UPDATE=1 pytest` writes them anew; read the difference before committing it."""
    folder = GOLDEN / Path(name).name / backend
    files = compiled(SPECS / f"{name}.bm", backend)
    if os.environ.get("BMC_UPDATE") == "1":
        folder.mkdir(parents=True, exist_ok=True)
        for file, text in files.items():
            (folder / file).write_text(text, encoding="utf-8")
    assert {path.name for path in folder.iterdir()} == set(files)
    for file, text in files.items():
        assert text == (folder / file).read_text(encoding="utf-8"), file


READ = (
    *("vision/unet", "vision/resnet50", "vision/densenet121", "vision/mobilenetv2"),
    *("sound/wavenet", "text/sst2", "text/gpt2", "text/seq2seq"),
)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", READ)
def test_models_are_as_pinned(name: str, backend: str) -> None:
    """The `model.py` of eight specs, to be read; written anew as the programs are."""
    path = GOLDEN / "models" / f"{Path(name).name}_{backend}.py"
    text = compiled(SPECS / f"{name}.bm", backend)["model.py"]
    if os.environ.get("BMC_UPDATE") == "1":
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def shape(statement: ast.stmt) -> str:
    """A statement without its numbers, and without those of members in names of layers."""

    class Plain(ast.NodeTransformer):
        def visit_Constant(self, node: ast.Constant) -> ast.Constant:
            if isinstance(node.value, str):
                return ast.Constant(re.sub(r"\.\d+", ".0", node.value))
            return ast.Constant(0) if isinstance(node.value, int | float) else node

    return ast.dump(Plain().visit(copy.deepcopy(statement)))


def repeated(text: str) -> list[str]:
    """Three statements in a row that differ by numbers alone."""
    found = []
    for node in ast.walk(ast.parse(text)):
        body = getattr(node, "body", None)
        if isinstance(body, list) and not isinstance(node, ast.Module | ast.ClassDef):
            shapes = [shape(statement) for statement in body]
            for at, (one, two, three) in enumerate(zip(shapes, shapes[1:], shapes[2:])):
                if one == two == three:
                    found.append(ast.unparse(body[at]))
    return found


@pytest.mark.parametrize("spec", PUBLISHED, ids=lambda spec: spec.stem)
def test_nothing_is_said_three_times(spec: Path) -> None:
    for backend in BACKENDS:
        assert repeated(compiled(spec, backend)["model.py"]) == [], backend


COMPILE = """
import hashlib, sys
sys.path[:0] = ["compiler", "backends", "."]
from tests.programs.project import BACKENDS, TRAINED, compiled
for spec in TRAINED:
    for backend in BACKENDS:
        for name, text in sorted(compiled(spec, backend).items()):
            print(spec, backend, name, hashlib.sha256(text.encode()).hexdigest())
loaded = [n for n in ("torch", "tensorflow", "keras", "onnx", "onnxruntime") if n in sys.modules]
assert not loaded, loaded
"""


def hashes(seed: int) -> str:
    done = subprocess.run(
        [sys.executable, "-c", COMPILE],
        cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, "PYTHONHASHSEED": str(seed)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_bytes_are_the_same_under_any_hash_seed_and_no_framework_is_loaded() -> None:
    first = hashes(0)
    assert all(hashes(seed) == first for seed in (1, 2, 3, 5, 42, 4242, 2**32 - 1))


@pytest.mark.parametrize("backend", BACKENDS)
def test_the_command_loads_no_framework(backend: str, tmp_path: Path) -> None:
    code = (
        "import sys; from bmc.cli import main\n"
        f"code = main(['compile', 'specs/vision/lenet.bm', '--backend', {backend!r}, "
        f"'-o', {str(tmp_path / 'out')!r}])\n"
        "bad = {'torch', 'tensorflow', 'keras', 'onnx', 'onnxruntime', 'numpy'} & set(sys.modules)\n"
        "sys.exit(code or (f'loaded {bad}' if bad else 0))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


# --- texts of a spec ------------------------------------------------------------------------------

HOSTILE = {
    "quotes": "a \"quoted\" word, 'single', \"\"\" three and ''' three",
    "escapes": "back\\\\slash \\n and \\u0041",
    "template": "{{ 7 * 7 }} {% raw %} {0} ${x} %s",
    "code": '"""\\nimport os\\nos.system(1)\\n"""',
    "cookie": "-*- coding: utf-7 -*-",
    "unicode": "naïve – ‘quoted’ 大模型",
}
NAMES = (
    "lambda",
    "class",
    "self",
    "print",
    "name",
    "conv",
    "x",
    "layers",
    "torch",
    "batch",
    "args",
)
SPEC = """## {doc}

## {doc}
model Net({name} = 4) {{
  ## {doc}
  input {input}: float[6]
  output {output} = {input} -> dense({name}) -> relu -> dense(3)
}}

data {{
  source = csv("{path}")
  {input} = ["a".."f"] -> standardize
  {target}: int[] = "{column}"
  split = random(train=80%, validation=20%)
}}

train {{
  loss = ({output}, {target}) -> cross_entropy
  metrics = ({output}, {target}) -> accuracy
  optimizer = sgd(lr=0.1)
  epochs = 1
}}

predict {{
  {output} = {output} -> softmax
}}
"""


def check(text: str, backend: str, folder: Path) -> None:
    """Compiles a text; every file must parse, mean what it should, and pass the linter."""
    spec = folder / "hostile.bm"
    spec.write_text(text, encoding="utf-8")
    out = written(folder / backend, spec, backend)
    for path in out.glob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        calls = {n.func.id for n in ast.walk(tree)
                 if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}  # fmt: skip
        assert not calls & {"eval", "exec", "compile", "__import__"}
        assert path.read_text(encoding="utf-8").isascii()
    assert tool(out, "ruff", "check", *RULES, "--select", "E,F", "--ignore", "E501", ".") == ""


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", HOSTILE)
def test_texts_stay_texts(kind: str, backend: str, tmp_path: Path) -> None:
    text = HOSTILE[kind]
    quoted = text.replace("\\", "\\\\").replace('"', '\\"')
    spec = SPEC.format(
        doc=text, name="width", input="numbers", output="logits", target="label",
        path=quoted, column=quoted,
    )  # fmt: skip
    check(spec, backend, tmp_path)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("word", NAMES)
def test_names_hide_nothing(word: str, backend: str, tmp_path: Path) -> None:
    for place in ("name", "input", "output", "target"):
        words = {"name": "width", "input": "numbers", "output": "logits", "target": "label"}
        words[place] = word
        folder = tmp_path / place
        folder.mkdir()
        check(SPEC.format(doc="A net.", path="a.csv", column="y", **words), backend, folder)


ALONE = """
import sys
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

shapes = {shapes}
Path("run").mkdir()
save_file({{k: np.zeros(v, "float32") for k, v in shapes.items()}}, "run/weights.safetensors")
{code}
"""


@pytest.mark.slow
@pytest.mark.parametrize("backend", BACKENDS)
def test_the_readme_shows_the_model_alone(backend: str, tmp_path: Path) -> None:
    """`model.py` and what the README says of it, without the other files."""
    spec = SPECS / "vision" / "small_resnet.bm"
    files = compiled(spec, backend)
    code = files["README.md"].split("```python\n")[1].split("```")[0]
    (tmp_path / "model.py").write_text(files["model.py"], encoding="utf-8")
    project, source = open_project(str(spec))
    program = driver.load(source, project, Problems())
    assert program is not None
    script = ALONE.format(shapes=expected(program.main), code=code)
    (tmp_path / "use.py").write_text(script, encoding="utf-8")
    succeed(tmp_path, "use.py")
