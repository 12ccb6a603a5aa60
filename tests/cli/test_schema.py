"""What `--format json` prints is what `docs/diagnostics.schema.json` says."""

from __future__ import annotations

import json
from pathlib import Path

import jsonschema
import pytest

from bmc.cli import main

SCHEMA = json.loads((Path(__file__).parents[2] / "docs/diagnostics.schema.json").read_text())
SPEC = "model N {\n  input x: float[3]\n  output y = x -> dense(4) -> relu\n}\n"
WRONG = SPEC.replace("relu", "Relu").replace("dense(4)", "dense(4, unit=3)")
SHAPES = SPEC.replace("-> relu", "-> relu\n  output z = x + (x -> dense(2))")


def strict() -> jsonschema.Draft202012Validator:
    """The schema, with no member that it doesn't name."""
    schema = json.loads(json.dumps(SCHEMA))
    problem = schema["$defs"]["problem"]
    schema["unevaluatedProperties"] = problem["unevaluatedProperties"] = False
    problem["properties"]["labels"]["items"]["unevaluatedProperties"] = False
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


CASES = [
    (SPEC, ("check",), 0),
    (WRONG, ("check",), 1),
    (SHAPES, ("check",), 1),
    (SPEC + "train { }\n", ("check",), 1),
    (SPEC, ("compile", "--backend", "torch", "-o", "out"), 0),
    (SPEC, ("compile", "--backend", "jax", "-o", "out"), 1),
    (SPEC.replace("  ", " "), ("fmt", "--check"), 1),
    ("", ("check",), 1),
]


@pytest.mark.parametrize("text, command, code", CASES)
def test_output_fits_the_schema(
    text: str, command: tuple[str, ...], code: int, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.chdir(tmp_path)
    Path("a.bm").write_text(text)
    assert main([*command, "a.bm", "--format", "json"]) == code
    printed = json.loads(capsys.readouterr().out)
    strict().validate(printed)
    assert bool(printed["problems"]) == (code == 1 and command[0] != "fmt")


def test_files_and_init_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["check", "none.bm", "--format", "json"]) == 2
    strict().validate(json.loads(capsys.readouterr().out))
    assert main(["init", "--format", "json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    strict().validate(printed)
    assert printed["written"] == ["penguins.bm", "penguins.csv"]


@pytest.mark.parametrize("value", ["0", 0, None])
def test_a_wrong_line_is_no_fit(value: object) -> None:
    place = dict.fromkeys(("line", "column", "end_line", "end_column"), value)
    problem = {"code": "BM101", "severity": "error", "message": "m", "file": "f", "label": "",
               "labels": [], "notes": [], "help": None, **place}  # fmt: skip
    assert not strict().is_valid({"version": 1, "problems": [problem]})
