"""The commands on the specs of the repository, as a person runs them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from bmc import cli

ROOT = Path(__file__).parents[2]
SPECS = ROOT / "specs"
ENVIRONMENT = {**os.environ, "PYTHONPATH": f"{ROOT / 'compiler'}:{ROOT / 'backends'}"}


def bmc(*arguments: object, folder: Path = ROOT, **more: object) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "bmc", *map(str, arguments)],
        cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=200, check=False, **more,
    )  # fmt: skip


@pytest.mark.parametrize("spec", sorted(SPECS.glob("*/*.bm")), ids=lambda path: path.stem)
def test_specs_are_fine(spec: Path) -> None:
    done = bmc("check", spec)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_several_problems_in_one_run(tmp_path: Path) -> None:
    (tmp_path / "a.bm").write_text(
        "model Net {\n  input x: float[8]\n  y = x -> Linear(4) -> dens(3)\n"
        "  output z = x -> dense(unit=3)\n}\n"
    )
    done = bmc("check", "a.bm", folder=tmp_path)
    assert done.returncode == 1
    assert "did you mean `dense`?" in done.stderr
    assert "`dense` has no setting `unit`" in done.stderr
    assert done.stderr.count("error[") >= 2
    assert "Traceback" not in done.stderr


def test_a_file_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    assert bmc("check", "none.bm", folder=tmp_path).returncode == 2
    assert bmc("compile", folder=tmp_path).returncode == 2


def test_summary_counts(tmp_path: Path) -> None:
    done = bmc("summary", SPECS / "vision" / "lenet.bm", "--format", "json")
    assert done.returncode == 0
    assert json.loads(done.stdout)["parameters"] == 61706
    assert "61,706" in bmc("summary", SPECS / "vision" / "lenet.bm").stdout


PUBLISHED = {
    "vision/resnet50": 25_557_032,
    "vision/vgg16": 138_357_544,
    "vision/mobilenetv2": 3_504_872,
    "vision/vit_b16": 86_567_656,
    "text/bert_base": 109_482_240,
    "text/gpt2": 124_439_808,
    "text/llama2_7b": 6_738_415_616,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_published_models_have_their_published_size(name: str) -> None:
    path = SPECS / f"{name}.bm"
    assert len(path.read_text("utf-8").splitlines()) <= 60
    done = bmc("summary", path, "--format", "json")
    assert json.loads(done.stdout)["parameters"] == PUBLISHED[name]


def test_every_stage_can_be_printed() -> None:
    spec = SPECS / "vision" / "small_resnet.bm"
    shown = {
        stage: bmc("compile", spec, "--emit", stage).stdout
        for stage in ("ast", "ir", "shapes", "torch", "keras", "onnx")
    }
    assert "  body: Output(name='y')" in shown["ast"]
    assert "features = stem -> residuals1 * 2: float[16, 8, 8]" in shown["ir"]
    assert (
        "body = x -> conv(filters=16, kernel=3, padding=1, bias=false, init=he_normal)"
        in shown["ir"]
    )
    line = "conv1: float[16, 8, 8] -> float[32, 4, 4]  weight [32, 16, 3, 3]"
    assert line in shown["shapes"]
    assert "class SmallResNet(nn.Module):" in shown["torch"]
    assert "def build_smallresnet() -> keras.Model:" in shown["keras"]
    assert "def build_smallresnet() -> onnx.ModelProto:" in shown["onnx"]


def test_settings_are_overridden(tmp_path: Path) -> None:
    spec = SPECS / "vision" / "digits.bm"
    done = bmc("compile", spec, "--backend", "torch", "-o", tmp_path / "out",
               "--set", "train.epochs=3", "--set", "Digits.width=8")  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "EPOCHS = 3\n" in (tmp_path / "out" / "train.py").read_text()
    assert "WIDTH = 8\n" in (tmp_path / "out" / "model.py").read_text()
    wrong = bmc("compile", spec, "-o", tmp_path / "two", "--set", "Digits.widht=8")
    assert wrong.returncode == 1 and "Digits.width" in wrong.stderr


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (
            "train.loss=0 * (image -> max_pool(2) -> mean) + ((logits, digit) -> cross_entropy)",
            "`max_pool`",
        ),
    ],
)
@pytest.mark.parametrize("backend", ["torch", "keras"])
def test_what_is_not_lowered_is_refused_by_name(change: str, said: str, backend: str) -> None:
    spec = SPECS / "vision" / "digits.bm"
    done = bmc("compile", spec, "--backend", backend, "-o", "build/none", "--set", change)
    assert done.returncode == 1
    assert f"error[BM501]: the {backend} backend does not support {said}" in done.stderr


@pytest.mark.parametrize(
    ("backend", "layer"),
    [("keras", "conv_transpose(3, kernel=3, groups=3)"), ("onnx", "sample_normal")],
)
def test_a_layer_that_is_not_lowered_is_refused_by_name(
    backend: str, layer: str, tmp_path: Path
) -> None:
    inputs = "x" if backend == "keras" else "(x, x)"
    (tmp_path / "a.bm").write_text(
        f"model Net {{\n  input x: float[3, 8]\n  output y = {inputs} -> {layer}\n}}\n"
    )
    done = bmc("compile", "a.bm", "--backend", backend, "-o", "out", folder=tmp_path)
    assert done.returncode == 1
    name = layer.partition("(")[0]
    assert f"the {backend} backend does not support `{name}`" in done.stderr
    assert "a.bm:3:" in done.stderr
    assert not (tmp_path / "out").exists()


def test_onnx_does_not_train(tmp_path: Path) -> None:
    done = bmc("train", SPECS / "vision" / "digits.bm", "--backend", "onnx", folder=tmp_path)
    assert done.returncode == 1
    assert "the onnx backend does not support training" in done.stderr


@pytest.mark.torch
def test_train_finds_the_data_beside_the_spec(tmp_path: Path) -> None:
    pytest.importorskip("torch")
    for name in ("tabular/mlp.bm", "data/penguins.csv"):
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).write_text((SPECS / name).read_text())
    done = bmc("train", "tabular/mlp.bm", "--steps", 20, folder=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "validation_accuracy" in done.stdout
    assert (tmp_path / "build" / "mlp-torch" / "run" / "weights.safetensors").exists()


def test_init_writes_a_spec_that_checks_and_never_loses_an_edit(tmp_path: Path) -> None:
    done = bmc("init", "first one", folder=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "bmc train 'first one/penguins.bm'" in done.stdout
    spec = tmp_path / "first one" / "penguins.bm"
    assert bmc("check", spec).returncode == 0
    assert bmc("fmt", "--check", spec).returncode == 0
    assert bmc("init", "first one", folder=tmp_path).returncode == 0
    spec.write_text(spec.read_text() + "# mine\n")
    refused = bmc("init", "first one", folder=tmp_path)
    assert refused.returncode == 2 and "BM605" in refused.stderr
    assert spec.read_text().endswith("# mine\n")
    assert bmc("init", "first one", "--force", folder=tmp_path).returncode == 0
    assert not spec.read_text().endswith("# mine\n")
    data = (tmp_path / "first one" / "penguins.csv").read_bytes()
    assert data == (SPECS / "data" / "penguins.csv").read_bytes()


@pytest.mark.torch
def test_what_init_writes_trains(tmp_path: Path) -> None:
    assert bmc("init", folder=tmp_path).returncode == 0
    done = bmc("train", "penguins.bm", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    last = (tmp_path / "build" / "penguins-torch" / "run" / "metrics.jsonl").read_text()
    assert float(json.loads(last.splitlines()[-1])["validation_accuracy"]) > 0.9


@pytest.mark.torch
def test_a_whole_run_and_what_it_is_asked_afterwards(tmp_path: Path, monkeypatch, capfd) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["init"]) == 0
    assert cli.main(["train", "penguins.bm", "--steps", "30", "--out", "mine"]) == 0
    told = capfd.readouterr().out
    names = ("program", "run", "weights", "test", "predictions", "report")
    assert [line.split()[0] for line in told.splitlines()[-6:]] == list(names)
    assert all(Path("mine", name).exists() for name in ("curves.png", "confusion.png", "worst.csv"))
    scores = json.loads(Path("mine/test.json").read_text())
    assert 0 <= scores["accuracy"] <= 1 and Path("mine/predictions.csv").exists()
    assert cli.main(["evaluate", "mine"]) == 0
    assert json.loads(capfd.readouterr().out) == scores
    assert cli.main(["evaluate", "mine", "--all", "--", "--split", "train"]) == 0
    lines = Path("penguins.csv").read_text().splitlines(keepends=True)
    Path("few.csv").write_text("".join(lines[:5]))
    assert cli.main(["predict", "mine", "--data", "few.csv", "-o", "few_out.csv"]) == 0
    assert len(Path("few_out.csv").read_text().splitlines()) == 5
    capfd.readouterr()
    assert cli.main(["train", "penguins.bm", "--steps", "40", "--out", "mine"]) == 1
    assert "--resume to go on with it" in capfd.readouterr().err
    assert cli.main(["train", "penguins.bm", "--steps", "40", "--out", "mine", "--resume"]) == 0
    assert '"step": 40' in Path("mine/metrics.jsonl").read_text()


@pytest.mark.parametrize(
    "about",
    ["", "[]", "{}", '{"program": 1, "data": "x"}', '{"program": "/", "data": "x"}', "[" * 9000],
    ids=range(6),
)
def test_a_run_that_is_none(about: str, tmp_path: Path, capsys) -> None:
    (tmp_path / "run.json").write_text(about)
    assert cli.main(["predict", str(tmp_path)]) == 2
    assert "error[BM603]" in capsys.readouterr().err
    assert cli.main(["evaluate", str(tmp_path / "nowhere")]) == 2


def test_a_run_brings_no_program(tmp_path: Path, capsys) -> None:
    """A folder from somebody else is data: what is in it is not run."""
    (tmp_path / "evaluate.py").write_text("# Written by bmc\nprint('owned')\n")
    about = {"program": str(tmp_path), "data": "x"}
    (tmp_path / "run.json").write_text(json.dumps(about))
    assert cli.main(["evaluate", str(tmp_path)]) == 2
    assert "a run does not bring the program" in capsys.readouterr().err


@pytest.mark.parametrize(("given", "other"), [("steps", "epochs"), ("epochs", "steps")])
def test_the_length_of_a_run_is_given_either_way(
    given: str, other: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A file that counts steps trains for epochs where the command says so, and so on."""
    from bmc import runs

    text = (SPECS / "tabular" / "mlp.bm").read_text("utf-8")
    text = re.sub(r"\n  (epochs|steps) .*", f"\n  {given} = 6", text)
    (tmp_path / "net.bm").write_text(text.replace("../data/", ""), encoding="utf-8")
    asked: list[dict[str, object]] = []
    monkeypatch.setattr(runs, "train", lambda steps, flags, more: asked.append(flags) or 0)
    monkeypatch.chdir(tmp_path)
    assert cli.main(["train", "net.bm", f"--{other}", "4"]) == 0
    program = (tmp_path / "build" / "net-torch" / "train.py").read_text()
    assert f"\n{other.upper()} = 4\n" in program and f"\n{given.upper()} = " not in program
    assert asked[0][other] == "4" and not asked[0][given]
    assert cli.main(["train", "net.bm", f"--{given}", "4"]) == 0
    assert f"\n{given.upper()} = 6\n" in (tmp_path / "build/net-torch/train.py").read_text()
    assert cli.main(["train", "net.bm", "--epochs", "4", "--steps", "4"]) == 2
