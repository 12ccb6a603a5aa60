"""`log`: the records of a run in files, in TensorBoard, Weights & Biases and MLflow."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import pytest
from tests.programs.drawn import table
from tests.programs.project import compiled, succeed, written
from tests.programs.test_parts import problems_of

SPEC = """
model Net {
  input x: float[4]
  output logits = x -> dense(3)
}
data {
  source = csv("rows.csv")
  x      = ["a".."d"] -> standardize
  kind   = "kind" -> category
  split  = random(train=80%, validation=20%, seed=1)
}
train {
  loss      = (logits, kind) -> cross_entropy
  metrics   = (logits, kind) -> accuracy
  optimizer = adam(lr=1e-2)
  LENGTH
  LOG
}
predict { kind = logits -> argmax }
"""
# Stand-ins that note what they are told: the packages themselves want an account or a server.
WANDB = """
import json
class Run:
    def __init__(self, given): self.told = [["init", given]]
    def log(self, record, step): self.told.append(["log", step, record])
    def finish(self): open("wandb.json", "w").write(json.dumps(self.told))
def init(**given): return Run({key: str(value) for key, value in given.items()})
"""
MLFLOW = """
import json
told = []
def set_experiment(name): told.append(["experiment", name])
def start_run(run_name): told.append(["run", run_name])
def log_params(settings): told.append(["params", settings])
def log_metrics(record, step): told.append(["log", step, record])
def end_run(): open("mlflow.json", "w").write(json.dumps(told))
"""
BACKENDS = [
    pytest.param("torch", marks=pytest.mark.torch),
    pytest.param("keras", marks=pytest.mark.keras),
]


def spec(folder: Path, log: str, length: str = "epochs = 3") -> Path:
    text = SPEC.replace("LENGTH", length).replace("LOG", log)
    (folder / "net.bm").write_text(text)
    return folder / "net.bm"


def records_of(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(
    ("length", "steps"), [("epochs = 3", [3, 6, 9]), ("steps = 4", [1, 2, 3, 4])]
)
def test_records_go_everywhere(length: str, steps: list[int], backend: str, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
    from tensorboard.util import tensor_util

    table(tmp_path / "rows.csv")
    path = spec(tmp_path, "log = [tensorboard, wandb, mlflow]", length)
    made = written(tmp_path / backend, path, backend)
    (made / "wandb.py").write_text(WANDB)
    (made / "mlflow.py").write_text(MLFLOW)
    succeed(made, "train.py", "--data", tmp_path / "rows.csv", "--out", "run")
    records = records_of(made / "run")
    assert [record.get("step", 3 * record["epoch"]) for record in records] == steps
    for file in ("wandb.json", "mlflow.json"):
        told = json.loads((made / file).read_text())
        assert [entry[1:] for entry in told if entry[0] == "log"] == [
            [step, record] for step, record in zip(steps, records)
        ]
    assert json.loads((made / "mlflow.json").read_text())[:2] == [
        ["experiment", "Net"],
        ["run", "run"],
    ]
    board = EventAccumulator(str(made / "run" / "tensorboard"), {"scalars": 0, "tensors": 0})
    board.Reload()
    if backend == "torch":
        shown = [(event.step, event.value) for event in board.Scalars("validation_accuracy")]
    else:
        events = board.Tensors("validation_accuracy")
        shown = [(event.step, tensor_util.make_ndarray(event.tensor_proto)) for event in events]
    wanted = [record["validation_accuracy"] for record in records]
    assert [step for step, _ in shown] == steps
    assert [value for _, value in shown] == pytest.approx(wanted)


@pytest.mark.torch
def test_the_table_has_the_records_of_a_run_that_went_on(tmp_path: Path) -> None:
    table(tmp_path / "rows.csv")
    made = written(tmp_path / "torch", spec(tmp_path, ""), "torch")
    assert not (made / "log.py").exists()
    given = ("train.py", "--data", tmp_path / "rows.csv", "--out", "run")
    succeed(made, *given, "--epochs", 2)
    succeed(made, *given, "--epochs", 4, "--resume")
    with (made / "run" / "metrics.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    records = records_of(made / "run")
    assert [row["epoch"] for row in rows] == ["1", "2", "3", "4"]
    assert [{key: float(value) for key, value in row.items()} for row in rows] == records


def test_what_is_logged_to_is_required(tmp_path: Path) -> None:
    for backend in ("torch", "keras"):
        files = compiled(spec(tmp_path, "log = tensorboard"), backend)
        assert "\ntensorboard>=2\n" in files["requirements.txt"]
        assert "wandb" not in files["log.py"] + files["requirements.txt"]
        listed = re.findall(r"^\| `(.*?)` \|", files["README.md"], re.M)
        assert sorted(listed) == sorted(name for name in files if name.endswith(".py"))


def test_places_are_checked(tmp_path: Path) -> None:
    assert "tensorboard" in problems_of(spec(tmp_path, "log = tensorbord"))


@pytest.mark.torch
@pytest.mark.keras
def test_entries_hide_nothing_of_the_loop(tmp_path: Path) -> None:
    """Entries that are called as the variables of a training loop."""
    table(tmp_path / "rows.csv")
    words = {"x": "checkpoint", "kind": "stopped", "logits": "patience"}
    path = spec(tmp_path, "log = mlflow\n  stop = patience(2)\n  accumulate = 2")
    text = path.read_text()
    for old, new in words.items():
        text = text.replace(f" {old} ", f" {new} ").replace(f"({old},", f"({new},")
        text = text.replace(f", {old})", f", {new})").replace(f"{old}:", f"{new}:")
    path.write_text(text)
    assert "input checkpoint:" in text and '"kind" -> category' in text
    for backend in ("torch", "keras"):
        made = written(tmp_path / backend, path, backend)
        (made / "mlflow.py").write_text(MLFLOW)
        succeed(made, "train.py", "--data", tmp_path / "rows.csv", "--out", "run")
