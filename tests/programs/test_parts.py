"""Parts of a model with an optimiser of their own: of one kind, of several, nested, frozen."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file
from tests.programs.project import succeed, written
from tests.programs.test_keys import TABLE, records
from tests.programs.test_trajectory import SCRIPT, STEPS, start

from bmc import driver
from bmc.diagnostics.diagnostic import Problems
from bmc.project import open_project

SPEC = """
block Body {
  input x: float[N]
  first = x -> dense(16) -> batch_norm -> relu
  output y = first -> dense(12) -> relu
}
model Net {
  input x: float[3]
  layer body = Body
  layer head = dense(3)
  output logits = x -> body -> head
}
data {
  source = csv("penguins.csv")
  x      = ["bill_length_mm".."flipper_length_mm"] -> impute(median) -> standardize
  kind   = "species" -> category
  split  = random(train=70%, validation=15%, test=15%, seed=1)
}
train {
  loss      = (logits, kind) -> cross_entropy
  metrics   = (logits, kind) -> accuracy
  optimizer = adamw(lr=1e-2, weight_decay=0.1)
  OPTIMIZERS
  epochs    = 4
  batch     = 16
}
predict { kind = logits -> argmax -> undo(data.kind) }
"""
PARTS = {
    "rate": "optimizer head = adamw(lr=1e-3, weight_decay=0.1)\n  schedule = cosine",
    "steady": "optimizer head = adamw(lr=1e-3, decay_norm=true, weight_decay=0.2)",
    "no decay": "optimizer head = adamw(lr=1e-3)\n  schedule = polynomial(power=2)",
    "kinds": "optimizer head = sgd(lr=0.1, momentum=0.9)\n  schedule = cosine",
    "nested": "optimizer body = sgd(lr=0.05)\n  optimizer body.norm = lion(lr=1e-3)\n"
    "  optimizer head = nadam(lr=1e-3)\n  schedule = linear",
    "flags": "optimizer head = sgd(lr=0.05, momentum=0.9, nesterov=true)\n"
    "  optimizer body.dense2 = sgd(lr=0.02, momentum=0.5)",
    "frozen": "optimizer head = sgd(lr=0.1)\n  optimizer body.dense1 = adam(lr=0.1)\n"
    "  freeze = body.dense1",
    "clipped": "optimizer head = adamw(lr=1e-3)\n  clip_norm = 0.05\n  schedule = linear(floor=1e-4)",
}

QUICK = ("rate", "nested")


def spec(folder: Path, parts: str, more: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "net.bm"
    path.write_text(SPEC.replace("OPTIMIZERS", f"{PARTS[parts]}\n  {more}"))
    return path


@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.parametrize("parts", [
    pytest.param(one, marks=[] if one in QUICK else [pytest.mark.nightly]) for one in PARTS
])  # fmt: skip
def test_the_frameworks_agree(parts: str, tmp_path: Path) -> None:
    path = spec(tmp_path, parts)
    start(path, tmp_path / "start.safetensors")
    losses = {}
    for backend in ("torch", "keras"):
        folder = written(tmp_path / backend, path, backend)
        given = (backend, folder, tmp_path / "start.safetensors", TABLE[1], "float64", STEPS)
        losses[backend] = np.array(json.loads(succeed(tmp_path, SCRIPT, *given).splitlines()[-1]))
    mine, theirs = losses["keras"], losses["torch"]
    assert not np.allclose(theirs, theirs[0], rtol=1e-6)
    assert (np.abs(mine - theirs) / np.abs(theirs)).max() <= 1e-8


@pytest.mark.torch
def test_each_part_learns_at_its_own_rate(tmp_path: Path) -> None:
    """The first update of Adam moves every weight by the rate."""
    path = spec(tmp_path, "steady", "checkpoint = every(1 steps, keep=9)")
    path.write_text(
        path.read_text().replace("weight_decay=0.1", "weight_decay=0").replace("0.2", "0")
    )
    made = written(tmp_path / "torch", path, "torch")
    text = (made / "train.py").read_text()
    assert "HEAD_LEARNING_RATE = 0.001" in text
    assert "HEAD_BETAS" not in text  # which are those of the rest
    (made / "train.py").write_text(
        text.replace("HEAD_LEARNING_RATE = 0.001", "HEAD_LEARNING_RATE = 0.5")
    )
    script = "import sys; sys.argv = ['train.py', '--data', sys.argv[1], '--out', sys.argv[2]]\n"
    script += """
import train, torch
step = train.train_step
def watched(model, optimizer, *batch):
    before = {n: w.detach().clone() for n, w in model.named_parameters()}
    step(model, optimizer, *batch)
    moved = {n: float((w - before[n]).abs().max()) for n, w in model.named_parameters()}
    assert abs(moved["head.weight"] - 0.5) < 1e-3, moved
    assert abs(moved["body.dense1.weight"] - 0.01) < 1e-4, moved
    print("seen")
    raise SystemExit
train.train_step = watched
train.main()
"""
    (made / "look.py").write_text(script)
    assert succeed(made, "look.py", TABLE[1], tmp_path / "run").strip() == "seen"


@pytest.mark.nightly
@pytest.mark.torch
@pytest.mark.keras
@pytest.mark.parametrize("parts", ["nested", "rate"])
def test_a_run_goes_on_in_the_other_framework(parts: str, tmp_path: Path) -> None:
    path = spec(tmp_path, parts)
    made = {backend: written(tmp_path / backend, path, backend) for backend in ("torch", "keras")}
    losses = {}
    for first, second in (("torch", "torch"), ("keras", "keras"), ("torch", "keras")):
        out = tmp_path / f"{first}_{second}"
        succeed(made["torch"], "train.py", *TABLE, "--out", out, "--epochs", "1")
        for backend, epochs in ((first, "2"), (second, "4")):
            succeed(made[backend], "train.py", *TABLE, "--out", out, "--epochs", epochs, "--resume")
        losses[first, second] = [record["loss"] for record in records(out)]
    expected = losses.pop(("torch", "torch"))
    for found in losses.values():
        assert found == pytest.approx(expected, rel=1e-4)


@pytest.mark.parametrize("backend", [
    pytest.param("torch", marks=pytest.mark.torch), pytest.param("keras", marks=pytest.mark.keras),
])  # fmt: skip
def test_a_run_of_several_kinds_in_fp16_goes_on_bit_for_bit(backend: str, tmp_path: Path) -> None:
    made = written(
        tmp_path / backend,
        spec(tmp_path, "flags", "optimizer body.norm = nadam(lr=1e-3)\n  precision = fp16"),
        backend,
    )
    succeed(made, "train.py", *TABLE, "--out", tmp_path / "whole")
    succeed(made, "train.py", *TABLE, "--out", tmp_path / "parts", "--epochs", "2")
    succeed(made, "train.py", *TABLE, "--out", tmp_path / "parts", "--resume")
    one, other = (load_file(tmp_path / run / "weights.safetensors") for run in ("whole", "parts"))
    assert all(np.array_equal(one[name], other[name]) for name in one)


NAMED = """
block Body {
  input x: float[N]
  layer norm = layer_norm
  output y = x -> dense(8) -> norm
}
model Net {
  input x: float[3]
  layer rest = dense(16)
  layer body = Body
  layer body_norm = layer_norm
  layer momentum = dense(5)
  layer adamw = dense(3)
  output logits = x -> rest -> relu -> body -> body_norm -> momentum -> adamw
}
"""
RATES = {"rest": 1e-3, "body.norm": 1e-4, "body_norm": 1e-5, "momentum": 1e-6, "adamw": 1e-7}


@pytest.mark.parametrize("backend", [
    pytest.param("torch", marks=pytest.mark.torch),
    pytest.param("keras", marks=[pytest.mark.keras, pytest.mark.nightly]),
])  # fmt: skip
def test_parts_with_names_of_the_program_are_told_apart(backend: str, tmp_path: Path) -> None:
    """`rest`, two parts of one identifier, and words of constants and classes."""
    data = SPEC[SPEC.index("data {") :]
    lines = "\n  ".join(f"optimizer {path} = adamw(lr={lr})" for path, lr in RATES.items())
    lines = lines.replace("momentum = adamw(lr=1e-06)", "momentum = rmsprop(lr=1e-6, decay=0.5)")
    data = data.replace("adamw(lr=1e-2, weight_decay=0.1)", "nadam(lr=1e-2)")
    path = tmp_path / "net.bm"
    path.write_text(NAMED + data.replace("OPTIMIZERS", lines))
    made = written(tmp_path / backend, path, backend)
    names = {f"{one}.": lr for one, lr in RATES.items()} | {"body.dense.": 1e-2}
    script = {
        "torch": """
import json, train
from model import Net
net = Net()
names = {weight: name for name, weight in net.named_parameters()}
groups = train.create_optimizer(net).param_groups
found = [(names[p], group["lr"]) for group in groups for p in group["params"]]
print(json.dumps(found))
""",
        "keras": """
import json, train
from model import build_net, name_weights
net = build_net()
names = {id(place.variable): name for name, place in name_weights(net).items()}
parts = train.create_optimizer(net).parts
print(json.dumps([(names[id(v)], float(o.learning_rate)) for o, _, vs in parts for v in vs]))
""",
    }[backend]
    (made / "look.py").write_text(script)
    found = json.loads(succeed(made, "look.py"))
    assert len(found) == len(dict(found)) == 12
    for name, rate in found:
        (expected,) = (lr for start, lr in names.items() if name.startswith(start))
        assert rate == pytest.approx(expected, rel=1e-6), name


def problems_of(path: Path) -> str:
    project, source = open_project(str(path))
    problems = Problems()
    program = driver.load(source, project, problems)
    if program is not None:
        driver.compile(program, "torch", problems)
    return " ".join(f"{p.code} {p.diagnostic().message} {p.diagnostic().notes}" for p in problems)


@pytest.mark.parametrize(("line", "expected"), [
    ("optimizer tail = sgd(lr=1)", "can't be given for `tail`"),
    ("optimizer head = sgd(lr=1)\n  optimizer head = sgd(lr=2)", "given twice"),
    ("optimizer head = sgd(lr=1)", ""),
])  # fmt: skip
def test_parts_are_checked(line: str, expected: str, tmp_path: Path) -> None:
    path = spec(tmp_path, "rate")
    path.write_text(SPEC.replace("OPTIMIZERS", line))
    found = problems_of(path)
    assert expected in found if expected else not found


def test_parts_need_a_rate_to_follow(tmp_path: Path) -> None:
    path = spec(tmp_path, "rate")
    path.write_text(path.read_text().replace("adamw(lr=1e-2", "adamw(lr=0"))
    assert "the rates of parts follow it" in problems_of(path)
