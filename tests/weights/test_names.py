"""Name maps: what they say, what they refuse, and what becomes of a file."""

from __future__ import annotations

import importlib
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bmc import cli
from bmc.ir.name_map import BadMap, NameMap, parse_map, read_map
from bmc.ir.training import Pretrained
from bmc.weights.propose import propose
from bmc.weights.rename import apply_map
from bmc_programs.start import start_file

safetensors = pytest.importorskip("safetensors.numpy")
SPEC = """model Net {
  input x: float[3]
  h = x -> dense(4) -> relu
  output y = h -> dense(2, bias=false)
}
"""


def entries(folder: Path, names: object) -> NameMap:
    path = folder / "names.json"
    path.write_text(json.dumps(names), encoding="utf-8")
    return read_map(path)


def test_names_axes_shapes_and_parts(tmp_path: Path) -> None:
    names = {
        "h.{n}.weight": {"to": "layers.{n}.dense.weight", "axes": [1, 0]},
        "packed.{leaf}": {"split": ["q.{leaf}", "k.{leaf}"]},
        "flat": {"to": "square", "shape": [2, -1]},
        "maps": {"to": "rows", "view": [2, 3], "axes": [1, 0], "shape": [6, 1]},
        "mask": None,
        "nothing.{n}": "x.{n}",
    }
    tensors = {
        "h.7.weight": np.arange(6.0).reshape(2, 3),
        "packed.bias": np.arange(4.0),
        "flat": np.arange(4.0),
        "maps": np.arange(6.0).reshape(3, 2),
        "mask": np.zeros(2),
        "h.7.8.weight": np.zeros(2),
    }
    found = apply_map(entries(tmp_path, names), tensors)
    assert {name: array.tolist() for name, array in found.tensors.items()} == {
        "layers.7.dense.weight": [[0, 3], [1, 4], [2, 5]],
        "q.bias": [0, 1],
        "k.bias": [2, 3],
        "square": [[0, 1], [2, 3]],
        "rows": [[0], [3], [1], [4], [2], [5]],
    }
    assert (found.dropped, found.unknown, found.unused) == (
        ["mask"],
        ["h.7.8.weight"],
        ["nothing.{n}"],
    )


MORE = {
    "blocks.{n}.weight": "layers.{n-1}.weight",
    "stem.{n}.bias": "layers.{n+10}.bias",
    "stages.{n}": "halves.{n//2-1}",
    "qkv": {"split": ["q", "k", "v"], "sizes": [4, 1, 1]},
    "gate": {"to": "packed", "part": 1, "axes": [1, 0]},
    "up": {"to": "packed", "part": 0},
    "bias_ih": {"to": "bias", "add": True},
    "bias_hh": {"to": "bias", "add": True},
    "places": {"split": [None, "rows"], "sizes": [1, 2]},
    "norm": {"to": "scale", "plus": 1},
    "{path*}.count": None,
    "bn/{leaf}": "bn.{leaf}",
    "{}": {"gamma": "weight", "beta": "bias"},
    "old.{path*}.{leaf}": "new.{path}.in.{leaf}",
    "wide_g": {"to": "wide", "length": True},
    "wide_v": "wide",
}
FOUND = {
    "blocks.1.weight": np.ones((2, 2), "f"),
    "blocks.10.weight": np.full((2, 2), 10, "f"),
    "stem.0.bias": np.zeros(1, "f"),
    "stages.3": np.full(1, 3, "f"),
    "stages.4": np.full(1, 4, "f"),
    "qkv": np.arange(12, dtype="f").reshape(6, 2),
    "gate": np.array([[1, 2]], "f"),
    "up": np.array([[3], [4], [5]], "f"),
    "bias_ih": np.array([1, 2], "f"),
    "bias_hh": np.array([10, 20], "f"),
    "places": np.array([[0], [1], [2]], "f"),
    "norm": np.array([-1, 0.5], "f"),
    "a.b.c.count": np.array(4),
    "bn/gamma": np.array([1], "f"),
    "bn/mean": np.array([2], "f"),
    "count.count": np.array(4),
    "old.a.b.bias": np.array([7], "f"),
    "wide_g": np.array([[10], [1]], "f"),
    "wide_v": np.array([[3, 4], [0, 5]], "f"),
}
MADE = {
    "layers.0.weight": [[1, 1], [1, 1]],
    "layers.9.weight": [[10, 10], [10, 10]],
    "layers.10.bias": [0],
    "halves.0": [3],
    "halves.1": [4],
    "q": [[0, 1], [2, 3], [4, 5], [6, 7]],
    "k": [[8, 9]],
    "v": [[10, 11]],
    "packed": [[3], [4], [5], [1], [2]],
    "bias": [11, 22],
    "rows": [[1], [2]],
    "scale": [0, 1.5],
    "bn.weight": [1],
    "bn.mean": [2],
    "new.a.b.in.bias": [7],
    "wide": [[6, 8], [0, 1]],
}


def test_numbers_sizes_joins_and_sums(tmp_path: Path) -> None:
    found = apply_map(entries(tmp_path, MORE), FOUND)
    assert {name: array.tolist() for name, array in found.tensors.items()} == MADE
    assert not found.unknown and not found.unused


def program(entry: NameMap, folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, Any]:
    """start.py of a program with a map, and the module."""
    text = start_file(Pretrained("", "x", entry))
    (folder / "start.py").write_text(text)
    (folder / "weights.py").write_text("find_no_floats = lambda found: []\nread_tensors = None\n")
    monkeypatch.syspath_prepend(str(folder))
    for module in ("start", "weights"):
        monkeypatch.delitem(sys.modules, module, raising=False)
    start = importlib.import_module("start")
    for module in ("start", "weights"):
        monkeypatch.delitem(sys.modules, module)
    return text, start


def test_programs_do_as_the_command_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """start.py of a program, which has only what its map needs."""
    text, start = program(entries(tmp_path, MORE), tmp_path, monkeypatch)
    made = start.rename(FOUND)
    assert {name: array.tolist() for name, array in made.items()} == MADE
    for odd in (np.ones((1, 8), "f"), np.ones(1, "f")):  # not a length for each of the two rows
        with pytest.raises(ValueError, match=r"wide"):
            start.rename({**FOUND, "wide_g": odd})
        with pytest.raises(BadMap, match=r"`wide`"):
            apply_map(entries(tmp_path, MORE), {**FOUND, "wide_g": odd})
    plain = start_file(Pretrained("", "x", entries(tmp_path, {"a": "b"})))
    words = ("joined", "add:", "sizes", "def fill", "plus", "found.pop", "length", "WORDS")
    for word in (*words, "over dots"):
        assert word in text and word not in plain
    for word in ("MISSING", "fold"):
        assert word not in text


NORMED = {
    "conv{n}.weight": "layers.{n}.conv.weight",
    "conv{n}.bias": "layers.{n}.conv.bias",
    "bn{n}.num_batches_tracked": None,
    "bn{n}.{leaf}": {"to": "layers.{n}.conv.weight", "fold": 0.5},
}


def test_a_norm_is_done_by_the_layer_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    draw = np.random.default_rng(0)
    rows = {f"conv{n}.weight": draw.normal(size=(4, 3)).astype("f") for n in (1, 2)}
    spread = {f"bn{n}.running_var": draw.uniform(1, 2, 4).astype("f") for n in (1, 2)}
    places = ("conv1.bias", "bn1.running_mean", "bn1.weight", "bn1.bias", "bn2.running_mean")
    rest = {name: draw.normal(size=4).astype("f") for name in places}
    tensors = {**spread, **rest, **rows, "bn1.num_batches_tracked": np.array(3)}
    x = draw.normal(size=3)
    _, start = program(entries(tmp_path, NORMED), tmp_path, monkeypatch)
    for made in (apply_map(entries(tmp_path, NORMED), tensors).tensors, start.rename(tensors)):
        assert len(made) == 4 and {array.dtype for array in made.values()} == {np.dtype("f")}
        for n in (1, 2):
            y = tensors[f"conv{n}.weight"] @ x + tensors.get(f"conv{n}.bias", 0.0)
            y = (y - tensors[f"bn{n}.running_mean"]) / np.sqrt(tensors[f"bn{n}.running_var"] + 0.5)
            y = y * tensors.get(f"bn{n}.weight", 1.0) + tensors.get(f"bn{n}.bias", 0.0)
            one = made[f"layers.{n}.conv.weight"] @ x + made[f"layers.{n}.conv.bias"]
            np.testing.assert_allclose(one, y, rtol=1e-5)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"bn2.running_var": None}, "no variance"),
        ({"bn1.running_mean": None, "bn1.weight": np.ones(4)}, "no mean"),
        ({"conv1.weight": None}, "no tensor leads to"),
        ({"bn1.weight": np.ones(3)}, "other rows"),
        ({"bn1.gain": np.ones(4)}, "no part of a batch norm"),
    ],
)
def test_norms_that_cannot_be_folded(
    change: dict[str, Any], reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tensors = {f"conv{n}.weight": np.ones((4, 3)) for n in (1, 2)}
    tensors |= {f"bn{n}.running_{kind}": np.ones(4) for n in (1, 2) for kind in ("mean", "var")}
    tensors = {name: a for name, a in (tensors | change).items() if a is not None}
    with pytest.raises(BadMap, match=reason):
        apply_map(entries(tmp_path, NORMED), tensors)
    _, start = program(entries(tmp_path, NORMED), tmp_path, monkeypatch)
    with pytest.raises(ValueError, match=reason):
        start.rename(tensors)


def test_a_norm_is_folded_once(tmp_path: Path) -> None:
    names = {"conv": "a.weight", "{bn}.{leaf}": {"to": "a.weight", "fold": 0}}
    tensors = {"conv": np.ones((2, 1))} | {
        f"{bn}.running_{kind}": np.ones(2) for bn in ("bn1", "bn2") for kind in ("mean", "var")
    }
    with pytest.raises(BadMap, match=r"two tensors become `a.weight`, the second is `bn2"):
        apply_map(entries(tmp_path, names), tensors)


def test_what_a_file_lacks_takes_a_number(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = {"w{n}": "dense{n}.weight", "": {"dense{n}.bias": 0, "{path*}.weight": 1.5}}
    wanted = {"dense1.weight": (2, 3), "dense1.bias": (2,), "a.b.weight": (2,), "a.bias": (1,)}
    made = apply_map(entries(tmp_path, names), {"w1": np.zeros((2, 3), "f")}, wanted).tensors
    filled = {"dense1.bias": [0.0, 0.0], "a.b.weight": [1.5, 1.5]}
    expected = {"dense1.weight": [[0.0] * 3] * 2, **filled}
    assert {name: array.tolist() for name, array in made.items()} == expected
    _, start = program(entries(tmp_path, names), tmp_path, monkeypatch)
    monkeypatch.setattr(start, "read_tensors", lambda path: {"w1": np.zeros((2, 3), "f")})
    known = start.read_start(Path("theirs.safetensors"), wanted)
    assert {name: array.tolist() for name, array in known.items()} == expected
    printed = capsys.readouterr().out
    assert "1 of the model's 4 tensors" in printed and "filled with 1.5: a.b.weight" in printed
    assert "not in the file: a.bias\n" in printed


BAD = {
    "a list": [],
    "sizes of another number": {"a": {"split": ["b", "c"], "sizes": [1]}},
    "a size of nothing": {"a": {"split": ["b", "c"], "sizes": [1, 0]}},
    "a norm without epsilon": {"a": {"to": "b.weight", "fold": True}},
    "a norm that is also added": {"a": {"to": "b.weight", "fold": 1e-5, "add": True}},
    "a norm before no weight": {"a": {"to": "b.bias", "fold": 1e-5}},
    "a missing tensor without number": {"": {"a": "zeros"}},
    "missing tensors as a list": {"": ["a"]},
    "a part that is no number": {"a": {"to": "b", "part": "first"}},
    "a part that is split": {"a": {"split": ["b", "c"], "part": 0}},
    "a part that is added": {"a": {"to": "b", "part": 0, "add": True}},
    "a length that is a sum": {"a": {"to": "b", "length": True, "add": True}},
    "a length that is a number": {"a": {"to": "b", "length": 1}},
    "words that are none": {"{}": ["gamma"]},
    "words that become holes": {"{}": {"gamma": "{n}"}},
    "two paths": {"{a*}.x.{b*}": None},
    "a word twice": {"{a}.{a}": None},
    "a sum with a word": {"a": {"to": "b", "plus": "one"}},
    "a name that is none": {"a": {"to": None}},
    "an unknown word that counts": {"a.{n}": "b.{m+1}"},
    "nothing to count by": {"a.{n}": "b.{n//0}"},
    "a sum of words": {"a.{n}": "b.{n+m}"},
    "no target": {"a": {}},
    "two targets": {"a": {"to": "b", "split": ["c"]}},
    "an unknown word": {"a.{n}": "b.{m}"},
    "a strange key": {"a": {"to": "b", "run": "c"}},
    "a number": {"a": 3},
    "axes of texts": {"a": {"to": "b", "axes": ["1"]}},
}


@pytest.mark.parametrize("case", BAD)
def test_maps_are_checked(case: str, tmp_path: Path) -> None:
    with pytest.raises(BadMap):
        entries(tmp_path, BAD[case])


MISFITS: list[dict[str, object]] = [
    {"a": {"to": "b", "part": 1}},
    {"a": {"split": ["b", "c"], "sizes": [1, 1]}},
    {"{x}": {"to": "b", "part": 0}},
    {"a": {"to": "b", "length": True}},
    {"{x}": {"to": "b", "length": True}},
    {"a": {"to": "b", "axes": [1]}},
    {"a": {"split": ["b", "c"]}},
    {"{x}": "b"},
]


@pytest.mark.parametrize("names", MISFITS, ids=str)
def test_tensors_that_do_not_fit_are_named(names: dict[str, object], tmp_path: Path) -> None:
    with pytest.raises(BadMap, match=r"`a`|`b`"):
        tensors = {"a": np.zeros(3), "other": np.zeros(3)}
        apply_map(entries(tmp_path, names), tensors)


def test_numbers_that_cannot_be_are_named(tmp_path: Path) -> None:
    for name in ("h.0", "h.last"):
        with pytest.raises(BadMap, match=r"counts on from"):
            apply_map(entries(tmp_path, {"h.{n}": "b.{n-1}"}), {name: np.zeros(1)})
    with pytest.raises(BadMap, match=r"another shape"):
        names = {"{x}": {"to": "b", "add": True}}
        apply_map(entries(tmp_path, names), {"p": np.zeros(1), "q": np.zeros(2)})


def test_a_map_is_proposed() -> None:
    """By shapes, words and order; a bias says how its matrix lies."""
    ours = {"embed.weight": (9, 4), "head.weight": (9, 4)}
    theirs = {"model.wte.weight": (9, 4), "spare.mask": (5, 5)}
    for n in range(11):
        ours |= {f"layers.{n}.query.weight": (4, 4), f"layers.{n}.query.bias": (4,)}
        ours |= {f"layers.{n}.dense1.weight": (8, 4), f"layers.{n}.dense1.bias": (8,)}
        ours |= {f"layers.{n}.norm1.weight": (4,), f"layers.{n}.norm2.weight": (4,)}
        theirs |= {f"model.h.{n}.attn.q_proj.weight": (4, 4), f"model.h.{n}.attn.q_proj.bias": (4,)}
        theirs |= {f"model.h.{n}.mlp.up.kernel": (4, 8), f"model.h.{n}.mlp.up.bias": (8,)}
        theirs |= {f"model.h.{n}.ln_after.weight": (4,), f"model.h.{n}.ln_before.weight": (4,)}
    made = propose(dict(sorted(theirs.items())), ours)
    assert made.names == {
        "model.wte.weight": "embed.weight",
        "model.h.{n}.attn.q_proj.{leaf}": "layers.{n}.query.{leaf}",
        "model.h.{n}.mlp.up.bias": "layers.{n}.dense1.bias",
        "model.h.{n}.mlp.up.kernel": {"to": "layers.{n}.dense1.weight", "axes": [1, 0]},
        "model.h.{n}.ln_before.weight": "layers.{n}.norm1.weight",
        "model.h.{n}.ln_after.weight": "layers.{n}.norm2.weight",
    }
    assert made.missing == ["head.weight"] and made.spare == ["spare.mask"]
    tensors = {name: np.zeros(shape, "f") for name, shape in theirs.items()}
    found = apply_map(parse_map(json.dumps(made.names)), tensors)
    assert {name: array.shape for name, array in found.tensors.items()} == {
        name: shape for name, shape in ours.items() if name != "head.weight"
    }


def test_a_map_is_proposed_by_order_where_names_say_nothing() -> None:
    """Numbers become words, counted on; norms go with the convolutions beside them."""
    ours: dict[str, tuple[int, ...]] = {"stem.conv.weight": (4, 3), "stem.norm.weight": (4,)}
    theirs: dict[str, tuple[int, ...]] = {"conv1.weight": (4, 3), "bn1.weight": (4,)}
    right = {"conv1.weight": "stem.conv.weight", "bn1.weight": "stem.norm.weight"}
    for stage, width in enumerate((4, 8, 16)):
        for block in (0, 1):
            source, target = f"layer{stage + 1}.{block}", f"basics{block + 1}.{stage}"
            halves = 2 if stage and not block else 1
            places = {"1": ("1", width // halves), "2": ("2", width)}
            for their, (our, size) in places.items():
                right[f"{source}.conv{their}.weight"] = f"{target}.unit{our}.conv.weight"
                right[f"{source}.bn{their}.weight"] = f"{target}.unit{our}.norm.weight"
                for name in (f"{source}.conv{their}.weight", f"{target}.unit{our}.conv.weight"):
                    (theirs if name in right else ours)[name] = (width, size, 3)
                theirs[f"{source}.bn{their}.weight"] = (width,)
                ours[f"{target}.unit{our}.norm.weight"] = (width,)
    theirs["bn1.num_batches_tracked"] = ()
    made = propose(dict(sorted(theirs.items())), ours)
    assert made.names == {
        "{path*}.num_batches_tracked": None,
        "bn1.weight": "stem.norm.weight",
        "conv1.weight": "stem.conv.weight",
        "layer{n}.{m}.bn{k}.weight": "basics{m+1}.{n-1}.unit{k}.norm.weight",
        "layer{n}.{m}.conv{k}.weight": "basics{m+1}.{n-1}.unit{k}.conv.weight",
    }
    marked = {
        name: np.full(shape, place, "f") for place, (name, shape) in enumerate(theirs.items())
    }
    found = apply_map(parse_map(json.dumps(made.names)), marked).tensors
    assert {name: array.flat[0] for name, array in found.items()} == {
        target: marked[source].flat[0] for source, target in right.items()
    }
    assert not made.missing and not made.spare


def test_names_that_are_right_are_kept() -> None:
    """What is missing between others moves none of them; zeros before a number are letters."""
    ours: dict[str, tuple[int, ...]] = {f"norm{n}.{leaf}": (8,) for n in range(3) for leaf in "ab"}
    theirs = {name: shape for name, shape in ours.items() if not name.startswith("norm1")}
    made = propose(theirs, ours)
    assert made.names == {"norm{n}.{leaf}": "norm{n}.{leaf}"}
    assert made.missing == ["norm1.a, b"] and not made.spare
    made = propose({"b01.w": (3,), "b02.w": (3,)}, {"c.0.w": (3,), "c.1.w": (3,)})
    assert made.names == {"b0{n}.w": "c.{n-1}.w"}


def test_a_map_is_proposed_for_any_names() -> None:
    """Braces and more numbers than there are letters are names like others."""
    odd = {"a.{x}.0.w": (3,), "a.{x}.1.w": (4,), "1.2.3.4.5.6.7.8.b": (5,), "plain": ()}
    made = propose(odd, {"dense.0.w": (3,), "dense.1.w": (4,), "last.b": (5,), "scale": ()})
    assert made.names == {
        "a.{x}.{n}.w": "dense.{n}.w",
        "1.2.3.4.5.6.7.8.b": "last.b",
        "plain": "scale",
    }


def test_the_command_reads_several_files(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "net.bm").write_text(SPEC, encoding="utf-8")
    parts = {
        "a.safetensors": {"dense1.weight": np.ones((4, 3), "f"), "dense1.bias": np.ones(4, "f")},
        "b.safetensors": {"dense2.weight": np.ones((2, 4), "f")},
    }
    for file, part in parts.items():
        safetensors.save_file(part, tmp_path / file)
    index = tmp_path / "all.index.json"
    table = {name: file for file, part in parts.items() for name in part}
    given = ["weights", str(tmp_path / "net.bm"), "--from", str(index)]
    for found, said in (
        ({"weight_map": table}, ""),
        ({"weight_map": table | {"dense2.weight": "none.safetensors"}}, "no such file"),
        ({"weight_map": table | {"dense2.weight": "/etc/passwd"}}, "beside it"),
        ({"weight_map": 3}, "no `weight_map`"),
    ):
        index.write_text(json.dumps(found), encoding="utf-8")
        assert bool(cli.main(given)) == bool(said)
        assert said in capsys.readouterr().err


def test_the_command_converts_a_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "net.bm").write_text(SPEC, encoding="utf-8")
    names = {"fc1.{leaf}": "dense1.{leaf}", "fc2.w": {"to": "dense2.weight", "axes": [1, 0]}}
    (tmp_path / "names.json").write_text(json.dumps(names), encoding="utf-8")
    random = np.random.default_rng(0)
    theirs = {
        "fc1.weight": random.normal(size=(4, 3)).astype("f"),
        "fc1.bias": random.normal(size=4).astype("f"),
        "fc2.w": random.normal(size=(4, 2)).astype("f"),
    }
    safetensors.save_file(theirs, tmp_path / "theirs.safetensors")
    spec, source, out = (
        str(tmp_path / name) for name in ("net.bm", "theirs.safetensors", "out.safetensors")
    )
    assert cli.main(["weights", spec, "--from", source]) == 1
    said = capsys.readouterr()
    assert (
        "0 of the model's 3 tensors are in it" in said.err and "open in the file: fc2.w" in said.err
    )
    assert json.loads(said.out) == {"fc1.{leaf}": "dense1.{leaf}"}
    given = ["weights", spec, "--from", source, "--names", str(tmp_path / "names.json")]
    assert cli.main([*given, "-o", out]) == 0
    assert "3 tensors fit the model" in capsys.readouterr().out
    made = safetensors.load_file(out)
    assert np.array_equal(made["dense2.weight"], theirs["fc2.w"].T)
    assert cli.main(["weights", spec, "--format", "json"]) == 0
    listed = json.loads(capsys.readouterr().out)["weights"]
    assert listed[0] == {"name": "dense1.weight", "shape": [4, 3]}
