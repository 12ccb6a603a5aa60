"""What `bmc explain` says of the words of the language and of the keys of its sections."""

from __future__ import annotations

from bmc.ops.base import REQUIRED
from bmc.ops.keys import KEYS, Key
from bmc.ops.kinds import REGISTRY, Made, show
from bmc.records import record
from bmc.samples import load_declarations

load_declarations()

TABLE = """data {
  source = csv("rows.csv")
  x      = ["a".."d"] -> standardize
  kind: int[] = "kind" -> category
  split  = random(train=80%, validation=20%)
}"""
NET = """model Net {
  input x: float[4]
  output logits = x -> dense(3)
}"""
LEARNING = """train {
  loss      = (logits, kind) -> cross_entropy
  metrics   = (logits, kind) -> accuracy
  optimizer = adamw(lr=1e-3)
  epochs    = 10
}"""


@record
class Word:
    """A word of the language: what it does, and a whole file that has it."""

    doc: str
    example: str


def _model(body: str, head: str = "Net", before: str = "") -> str:
    lines = "\n".join(f"  {line}" for line in body.split("\n"))
    return f"{before}model {head} {{\n{lines}\n}}"


_BLOCK = """block Body(width = 8) {
  input x: float[N]
  output y = x -> dense(width) -> relu
}
"""
_CHOICE = _model(
    "input x: float[4]\noutput y = x -> (if deep then dense(8) else identity) -> dense(3)",
    "Net(deep = true)",
)
_LOOP = _model("input x: float[4]\nfor i in 0..3 {\n  x = x -> dense(8) -> relu\n}\noutput y = x")
_STATE = """block Cell(hidden) {
  input x: float[E]
  state h: float[hidden] = zeros
  h = (x, h) -> concat -> dense(hidden) -> tanh
  output y = h
}
model Net {
  input xs: float[9, 4]
  output y = xs -> scan(Cell(6)) -> last -> dense(3)
}"""

WORDS: dict[str, Word] = {
    "model": Word(
        "A network: settings with defaults in parentheses, inputs, values, outputs. It becomes a "
        "class or a function of the generated program.",
        _model("input x: float[4]\noutput y = x -> dense(width) -> relu -> dense(3)",
               "Net(width = 8)"),
    ),
    "block": Word(
        "A part of a model, used like a layer: `x -> Body(16)`. Names of sizes in its inputs, with "
        "a capital letter, are the sizes that it finds.",
        _model("input x: float[4]\noutput y = x -> Body(16) -> Body", "Net", _BLOCK),
    ),
    "input": Word(
        "What a model or block takes: a name, and a type without the batch. `int[T <= 64, pad=0]` "
        "is as long as each row, up to 64, filled up with 0.",
        _model("input x: float[4]\ninput y: float[2]\noutput z = (x, y) -> concat -> dense(3)"),
    ),
    "output": Word(
        "What a model or block gives. `output y, h = …` names several that come at once.",
        _model("input x: float[4]\noutput logits = x -> dense(3)\noutput size = x -> dense(1)"),
    ),
    "layer": Word(
        "Makes one layer with a name of its own; to use it twice shares its weights, and "
        "`head.weight` reaches one of them. `layer b[i] = …` makes a family in a loop.",
        _model("input x: float[4]\nlayer same = dense(4)\noutput y = x -> same -> tanh -> same"),
    ),
    "param": Word(
        "A learned tensor of one's own: its type, and how it starts.",
        _model("input x: float[4]\nparam scale: float[4] = ones\noutput y = x * scale"),
    ),
    "state": Word(
        "What a block carries from step to step of `scan`: giving its name a new value says what "
        "it is at the next step.",
        _STATE,
    ),
    "scan": Word(
        "Runs a block step by step along the first axis of a sequence; its outputs at all steps "
        "come out as sequences. An input with as many axes as the value that flows in is given "
        "whole to each step.",
        _STATE,
    ),
    "undo": Word(
        "In `predict`, does the steps of an entry of the data backwards: a class becomes its word "
        "again, a standardized number its own.",
        f"{TABLE}\n{NET}\n{LEARNING}\npredict {{ kind = logits -> argmax -> undo(data.kind) }}",
    ),
    "let": Word(
        "A name for a value, for the whole file.",
        _model("input x: float[4]\noutput y = x -> dense(width)", "Net", "let width = 16\n"),
    ),
    "for": Word(
        "Repeats statements while compiling, over a range `0..3` (which leaves out 3) or a list. "
        "`x -> Body * 3` repeats one layer.",
        _LOOP,
    ),
    "in": Word("Stands between the names and what a `for` goes through.", _LOOP),
    "if": Word(
        "Chooses while compiling, by settings and sizes: `if a then b else c`, a value or a layer. "
        "It is no statement: what is chosen has a name, or stands in a chain.",
        _CHOICE,
    ),
    "then": Word("What an `if` gives where its condition holds.", _CHOICE),
    "else": Word("What an `if` gives where its condition does not hold.", _CHOICE),
    "assert": Word(
        "Checks while compiling: the type of a value, or the size of the model by `parameters`, "
        "`flops` or `memory`.",
        _model("input x: float[4]\noutput y = x -> dense(3)\nassert y: float[3]\n"
               "assert parameters <= 15"),
    ),
    "import": Word(
        'Takes blocks and values of another file: `from "blocks.bm" import Body`. Paths are '
        "relative to the file, and stay inside the project.",
        "",
    ),
    "from": Word("Names the file of an `import`.", ""),
    "data": Word(
        "Where rows come from, what is made of their columns, and how they are split. Each entry "
        'is a column, `"age"`, or several, `["a".."d"]`, and the steps that it goes '
        "through; models take entries by the names of their inputs.",
        f"{NET}\n{TABLE}",
    ),
    "train": Word(
        "How a model learns. Its keys are " + ", ".join(f"`{key}`" for key in KEYS) + "; "
        "`bmc explain KEY` says more of each.",
        f"{NET}\n{TABLE}\n{LEARNING}\npredict {{ kind = logits -> argmax }}",
    ),
    "predict": Word(
        "What the predictions file has: a column for each entry, computed from outputs. `keep` "
        "names columns of the data that stand beside them, and `write` another file or kind.",
        f"{NET}\n{TABLE}\n{LEARNING}\n"
        "predict {\n  kind = logits -> argmax -> undo(data.kind)\n"
        "  chance = logits -> softmax\n}",
    ),
    "keep": Word(
        "A key of `predict`: columns of the data that the predictions file has first.",
        f'{NET}\n{TABLE}\n{LEARNING}\npredict {{\n  kind = logits -> argmax\n  keep = ["id"]\n}}',
    ),
    "write": Word(
        "A key of `predict`: the file, or its kind: `csv`, `jsonl`, `npz` or `parquet` of a name.",
        f'{NET}\n{TABLE}\n{LEARNING}\n'
        'predict {\n  kind = logits -> argmax\n  write = parquet("kinds.parquet")\n}',
    ),
    "source": Word(
        f"A key of `data`: where rows come from ({', '.join(REGISTRY['source'])}).",
        f"{NET}\n{TABLE}",
    ),
    "split": Word(
        "A key of `data`: which rows are for training, for validation and for the test "
        f"({', '.join(REGISTRY['split'])}). In a model it is a layer.",
        f"{NET}\n{TABLE}",
    ),
    "none": Word(
        "Nothing, for settings that need not be given.",
        _model("input x: float[5, 8]\noutput y = x -> self_attention(heads=2, kv_heads=none)"),
    ),
    "true": Word("Yes, for settings like `bias=true`.",
                 _model("input x: float[4]\noutput y = x -> dense(3, bias=true)")),
    "false": Word("No, for settings like `bias=false`.",
                  _model("input x: float[4]\noutput y = x -> dense(3, bias=false)")),
    "and": Word("Both, in conditions.", _CHOICE.replace("if deep", "if deep and 1 < 2")),
    "or": Word("One or both, in conditions.", _CHOICE.replace("if deep", "if deep or 1 > 2")),
    "not": Word("The opposite, in conditions.", _CHOICE.replace("if deep", "if not deep")),
    "update": Word(
        "Trains one of several models in turn. It comes with a later version: one model is "
        "trained, with all its losses together.",
        "",
    ),
}  # fmt: skip


def page(topic: str) -> str | None:
    """What a word or a key is, or None where the language has no such word."""
    word = WORDS.get(topic)
    if word is not None:
        shown = [f"```bm\n{word.example}\n```"] if word.example else []
        return "\n\n".join([f"# `{topic}`", word.doc, *shown])
    key = KEYS.get(topic)
    return None if key is None else _key_page(key)


def _key_page(key: Key) -> str:
    told = [f"A key of `train`: {key.doc}."]
    if key.later:
        told.append("It comes with a later version.")
    elif key.default is REQUIRED:
        told.append("It has to be there.")
    elif key.default is not None and key.default != ():
        told.append(f"Left out it is {show(key.default)}.")
    if key.subject:
        told.append(f"`{key.name} NAME = …` is for {key.subject}.")
    if not key.later and len(key.backends) < 3:
        names = {"torch": "PyTorch", "keras": "Keras", "onnx": "ONNX"}
        told.append(f"For {' and '.join(names[one] for one in key.backends)}.")
    takes = f"Takes {key.kind.description}."
    if isinstance(key.kind, Made):
        words = ", ".join(f"`{name}`" for name in sorted(REGISTRY[key.kind.family]))
        takes = f"Takes one of {words}: `bmc explain` has a page on each."
    return "\n\n".join([f"# `{key.name}`", " ".join(told), takes])
