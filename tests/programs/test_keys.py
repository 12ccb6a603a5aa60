"""Keys of `train`: no validation rows, an early end with the best weights, frozen parts."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tests.programs.project import DATA, run, succeed, written

TABLE = ("--data", DATA / "penguins.csv")
SPEC = """
model Net {
  input x: float[3]
  hidden = x -> dense(16) -> batch_norm -> relu
  output logits = hidden -> dense(3)
}
data {
  source = csv("penguins.csv")
  x      = ["bill_length_mm".."flipper_length_mm"] -> impute(median) -> standardize
  kind   = "species" -> category
  split  = SPLIT
}
train {
  loss      = (logits, kind) -> cross_entropy
  metrics   = (logits, kind) -> accuracy
  optimizer = adamw(lr=LR)
  LENGTH
  batch     = 16
  MORE
}
predict { kind = logits -> argmax -> undo(data.kind) }
"""
THREE = "random(train=70%, validation=15%, test=15%, seed=1)"


def program(
    folder: Path, backend: str, more: str = "", length: str = "epochs = 4", lr: str = "1e-2",
    split: str = THREE,
) -> Path:  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    text = SPEC.replace("SPLIT", split).replace("LENGTH", length).replace("MORE", more)
    (folder / "net.bm").write_text(text.replace("LR", lr))
    return written(folder / backend, folder / "net.bm", backend)


def records(out: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (out / "metrics.jsonl").read_text().splitlines()]


BOTH = [
    pytest.param("torch", marks=pytest.mark.torch),
    pytest.param("keras", marks=pytest.mark.keras),
]


@pytest.mark.parametrize("length", ["epochs = 4", "steps = 60"])
@pytest.mark.parametrize("backend", BOTH)
def test_it_trains_without_validation_rows(backend: str, length: str, tmp_path: Path) -> None:
    made = program(tmp_path, backend, length=length, split="random(train=80%, test=20%, seed=1)")
    assert "evaluate" not in (made / "train.py").read_text().replace("evaluated", "")
    succeed(made, "train.py", *TABLE, "--out", tmp_path / "run")
    found = records(tmp_path / "run")
    assert found[-1]["loss"] < found[0]["loss"]
    assert not any(key.startswith("validation") for key in found[0])
    weights = ("--weights", tmp_path / "run" / "weights.safetensors")
    assert json.loads(succeed(made, "evaluate.py", *weights, *TABLE))["accuracy"] > 0.6


@pytest.mark.parametrize("on", ["", ", on=validation.accuracy, least=0.01"])
@pytest.mark.parametrize("length", ["epochs = 40", "steps = 400"])
@pytest.mark.parametrize("backend", BOTH)
def test_the_best_weights_are_kept(backend: str, length: str, on: str, tmp_path: Path) -> None:
    """A rate that is far too high makes scores worse again."""
    made = program(tmp_path, backend, f"stop = patience(3{on})", length, "0.3")
    succeed(made, "train.py", *TABLE, "--out", tmp_path / "run")
    found = records(tmp_path / "run")
    scores = [record["validation_accuracy" if "accuracy" in on else "validation_loss"]
              for record in found]  # fmt: skip
    least = 0.01 if "least" in on else 0.0
    best, waited, kept = None, 0, 0
    for number, score in enumerate(scores):
        value = score if "accuracy" in on else -score
        better = best is None or value > best + least
        waited = 0 if better else waited + 1
        if better:
            best, kept = value, number
    whole = 40 if "epochs" in length else 10
    assert waited == 3 or len(found) == whole
    assert kept == len(found) - 1 - waited
    weights = ("--weights", tmp_path / "run" / "weights.safetensors")
    done = run(made, "evaluate.py", *weights, *TABLE, "--split", "validation")
    evaluated = json.loads(done.stdout)
    assert evaluated["loss"] == pytest.approx(found[kept]["validation_loss"], rel=1e-4)


@pytest.mark.parametrize("backend", BOTH)
def test_classes_weigh_alike(backend: str, tmp_path: Path) -> None:
    """rows / (classes * rows of the class), of the training rows, in every sum that is reported."""
    made = program(tmp_path, backend)
    spec = tmp_path / "net.bm"
    plain = spec.read_text()
    spec.write_text(plain.replace("cross_entropy", "cross_entropy(class_weight=balanced)"))
    shutil.rmtree(made)
    folder = written(made, spec, backend)
    succeed(folder, "train.py", *TABLE, "--out", tmp_path / "run")
    code = (
        "import json, sys, numpy as np; from pathlib import Path; from data import load\n"
        "data = load(sys.argv[1]); kinds, rows = data.columns['kind'], data.rows\n"
        "counts = np.bincount(kinds[rows['train']])\n"
        "print(json.dumps((counts.sum() / (3 * counts)).tolist()))"
    )
    wanted = json.loads(succeed(folder, "-c", code, TABLE[1]))
    learned = json.loads((tmp_path / "run" / "learned.json").read_text())
    assert learned["kind_weight.balance"]["weights"] == pytest.approx(wanted)
    given = ("--weights", tmp_path / "run" / "weights.safetensors", *TABLE)
    scores = json.loads(succeed(folder, "evaluate.py", *given))
    # The same with the weights written out.
    spec.write_text(plain.replace("cross_entropy", f"cross_entropy(class_weight={wanted})"))
    shutil.rmtree(made)
    folder = written(made, spec, backend)
    succeed(folder, "train.py", *TABLE, "--out", tmp_path / "other")
    for one, other in zip(records(tmp_path / "run"), records(tmp_path / "other"), strict=True):
        assert one["validation_loss"] == pytest.approx(other["validation_loss"], rel=1e-4)
    given = ("--weights", tmp_path / "other" / "weights.safetensors", *TABLE)
    again = json.loads(succeed(folder, "evaluate.py", *given))
    assert scores["loss"] == pytest.approx(again["loss"], rel=1e-4)


@pytest.mark.parametrize("backend", BOTH)
def test_frozen_parts_stay(backend: str, tmp_path: Path) -> None:
    first = program(tmp_path / "one", backend, length="epochs = 1")
    succeed(first, "train.py", *TABLE, "--out", tmp_path / "start")
    more = 'freeze = [dense1, norm]\n  weights = pretrained("start/weights.safetensors")'
    made = program(tmp_path / "two", backend, more)
    start = tmp_path / "start" / "weights.safetensors"
    succeed(made, "train.py", *TABLE, "--out", tmp_path / "run", "--start", start)
    before, after = load_file(start), load_file(tmp_path / "run" / "weights.safetensors")
    moved = {name for name in before if not np.array_equal(before[name], after[name])}
    assert moved == {"dense2.weight", "dense2.bias", "norm.running_mean", "norm.running_var"}


@pytest.mark.parametrize("length", ["epochs = 2", "steps = 9"])
@pytest.mark.parametrize("backend", BOTH)
def test_four_batches_make_one_update(backend: str, length: str, tmp_path: Path) -> None:
    """Sixteen rows four times are sixty-four, the last update of an epoch being smaller."""
    more = "clip_norm = 0.1\n  schedule = exponential(0.9, every=1 epochs, warmup=2 steps)"
    start = tmp_path / "start.safetensors"
    found = {}
    for name, batch, keys in (("one", 64, more), ("four", 16, f"accumulate = 4\n  {more}")):
        keys += '\n  weights = pretrained("start.safetensors")'
        made = program(tmp_path / name, backend, keys, length, "0.05")
        text = (tmp_path / name / "net.bm").read_text().replace(" -> batch_norm", "")
        (tmp_path / name / "net.bm").write_text(text.replace("batch     = 16", f"batch = {batch}"))
        made = written(tmp_path / name / backend, tmp_path / name / "net.bm", backend)
        if not start.exists():
            chance = np.random.default_rng(0)
            shapes = {"dense1.weight": (16, 3), "dense1.bias": (16,), "dense2.weight": (3, 16),
                      "dense2.bias": (3,)}  # fmt: skip
            save_file({k: chance.standard_normal(v).astype("float32") for k, v in shapes.items()},
                      start)  # fmt: skip
        succeed(made, "train.py", *TABLE, "--out", tmp_path / name / "run", "--start", start)
        found[name] = load_file(tmp_path / name / "run" / "weights.safetensors")
        losses = [record["loss"] for record in records(tmp_path / name / "run")]
        found[f"{name} losses"] = losses
    for weight, values in found["one"].items():
        np.testing.assert_allclose(found["four"][weight], values, rtol=1e-3, atol=1e-5)
    np.testing.assert_allclose(found["four losses"], found["one losses"], rtol=1e-4)


@pytest.mark.parametrize("backend", BOTH)
def test_an_average_of_the_weights_is_saved(backend: str, tmp_path: Path) -> None:
    """After the first update it is the weights; after the second a part of it stays."""
    chance = np.random.default_rng(0)
    shapes = {"dense1.weight": (16, 3), "dense1.bias": (16,), "dense2.weight": (3, 16),
              "dense2.bias": (3,), "norm.weight": (16,), "norm.bias": (16,),
              "norm.running_mean": (16,), "norm.running_var": (16,)}  # fmt: skip
    start = tmp_path / "start.safetensors"
    values = {k: np.abs(chance.standard_normal(v)).astype("float32") for k, v in shapes.items()}
    save_file(values, start)
    found = {}
    for steps, ema in ((1, ""), (2, ""), (2, "ema = 0.75")):
        keys = f'weights = pretrained("start.safetensors")\n  {ema}'
        made = program(tmp_path / f"{steps}{bool(ema)}", backend, keys, f"steps = {steps}")
        out = tmp_path / f"run{steps}{bool(ema)}"
        succeed(made, "train.py", *TABLE, "--out", out, "--start", start)
        found[steps, bool(ema)] = load_file(out / "weights.safetensors")
        if ema:  # what is scored is what is saved
            last = records(out)[-1]["validation_loss"]
            given = ("--weights", out / "weights.safetensors", *TABLE, "--split", "validation")
            assert json.loads(succeed(made, "evaluate.py", *given))["loss"] == pytest.approx(last)
    for name in shapes:
        one, two = found[1, False][name], found[2, False][name]
        wanted = two if "running" in name else 0.75 * one + 0.25 * two
        np.testing.assert_allclose(found[2, True][name], wanted, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("length", ["epochs = 4", "steps = 40"])
@pytest.mark.parametrize("backend", BOTH)
def test_a_plateau_lowers_the_rate(backend: str, length: str, tmp_path: Path) -> None:
    """A gain of ten times is none: the rate falls to nothing, and the weights stand still."""
    plateau = (
        "plateau(factor=1e-9, patience=1, threshold=10.0, on=validation.accuracy, warmup=2 steps)"
    )
    made = program(tmp_path, backend, f"schedule = {plateau}", length)
    succeed(made, "train.py", *TABLE, "--out", tmp_path / "run")
    losses = [record["validation_loss"] for record in records(tmp_path / "run")]
    moved = np.abs(np.diff(losses))
    assert moved[0] > 1e-4 and "LEARNING_RATE * share" in (made / "train.py").read_text()
    assert moved[-1] < 0.2 * moved[0]  # running statistics go on


@pytest.mark.parametrize("backend", BOTH)
def test_the_frameworks_compiler_changes_no_result(backend: str, tmp_path: Path) -> None:
    if backend == "torch" and shutil.which("g++") is None:
        pytest.skip("PyTorch compiles with a C++ compiler")
    losses = {}
    for compiled in ("true", "false"):
        made = program(tmp_path / compiled, backend, f"compile = {compiled}", "epochs = 3")
        assert ("compile" in (made / "train.py").read_text()) == (compiled == "true")
        out = tmp_path / f"run_{compiled}"
        succeed(made, "train.py", *TABLE, "--out", out, "--seed", 3)
        losses[compiled] = [record["loss"] for record in records(out)]
    np.testing.assert_allclose(losses["true"], losses["false"], rtol=1e-3)


@pytest.mark.parametrize("backend", BOTH)
def test_one_batch_an_update_is_what_it_was(backend: str, tmp_path: Path) -> None:
    """`ACCUMULATE = 1`, edited into the program, is a run without it."""
    losses = {}
    for more in ("", "accumulate = 2"):
        keys = f"schedule = linear\n  {more}"
        made = program(tmp_path / f"with{bool(more)}", backend, keys, "steps = 12")
        text = (made / "train.py").read_text()
        (made / "train.py").write_text(text.replace("ACCUMULATE = 2", "ACCUMULATE = 1"))
        out = tmp_path / f"run{bool(more)}"
        succeed(made, "train.py", *TABLE, "--out", out, "--seed", 3)
        losses[bool(more)] = [(record["step"], record["loss"]) for record in records(out)]
    assert [step for step, _ in losses[True]] == [step for step, _ in losses[False]]
    np.testing.assert_allclose(losses[True], losses[False], rtol=1e-4)


@pytest.mark.parametrize("length", ["epochs = 3", "steps = 60"])
@pytest.mark.parametrize("backend", BOTH)
def test_a_loss_that_is_not_finite_is_told(backend: str, length: str, tmp_path: Path) -> None:
    """Which batch, which rows; and the states of before stay."""
    folder = program(tmp_path, backend, length=length)
    code = (
        "import sys, train, data\n"
        "make = data.make_batch\n"
        "def broken(columns, rows):\n"
        "    batch = make(columns, rows)\n"
        "    broken.hit = 7 in rows\n"
        "    return batch\n"
        "broken.hit, data.make_batch = False, broken\n"
        "order = data.Data.batches\n"
        "def batches(self, split, size, **named):\n"
        "    for batch in order(self, split, size, **named):\n"
        "        if split == 'train' and named.get('epoch') == 2 and broken.hit:\n"
        "            batch['x'] *= float('nan')\n"
        "        broken.hit = False\n"
        "        yield batch\n"
        "data.Data.batches = batches\n"
        "sys.argv[0] = 'train.py'\n"
        "train.main()"
    )
    (folder / "broken.py").write_text(code)
    done = run(folder, "broken.py", *TABLE, "--out", tmp_path / "run")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    last, hint = done.stderr.strip().splitlines()[-2:]
    found = re.match(r"epoch 2, batch (\d+): the loss of rows ([\d, ]+) is nan; the states", last)
    assert found is not None, last
    assert hint.endswith("--resume --watch")
    assert "7" in found.group(2).split(", ") and len(found.group(2).split(", ")) <= 16
    assert len(list((tmp_path / "run" / "states").iterdir())) >= 1
    done = run(folder, "broken.py", *TABLE, "--out", tmp_path / "run", "--resume", "--watch")
    assert done.returncode == 1 and "Traceback" not in done.stderr
    told = done.stderr.strip().splitlines()[-1]
    assert told.startswith(f"epoch 2, batch {found.group(1)}: "), told
    named = re.search(r" The largest gradient before was ([\d.e+-]+), in ([\w.]+)\.$", told)
    assert named is not None and float(named.group(1)) > 0, told
    succeed(folder, "train.py", *TABLE, "--out", tmp_path / "run", "--resume")
    assert named.group(2) in load_file(tmp_path / "run" / "weights.safetensors")


@pytest.mark.parametrize(
    "more", ["freeze = [dense1]", "optimizer dense1 = sgd(lr=0.1)", "precision = fp16"]
)
@pytest.mark.parametrize("backend", BOTH)
def test_watched_gradients_change_nothing(backend: str, more: str, tmp_path: Path) -> None:
    """Frozen weights have none, and parts learn by several optimisers."""
    folder = program(tmp_path, backend, more=more)
    for watched in ((), ("--watch",)):
        out = tmp_path / f"run{len(watched)}"
        succeed(folder, "train.py", *TABLE, "--out", out, "--seed", 3, *watched)
    alone, watched = (load_file(tmp_path / f"run{n}" / "weights.safetensors") for n in (0, 1))
    for name, array in alone.items():
        np.testing.assert_allclose(watched[name], array, atol=1e-5, err_msg=name)
