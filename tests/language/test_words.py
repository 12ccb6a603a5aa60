"""`bmc explain` has a page for every word of the language, with an example that is right."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.language.test_entries import said

from bmc import cli, docs
from bmc.elaborate.naming import snake
from bmc.ops.keys import KEYS
from bmc.words import WORDS

GRAMMAR = Path(docs.__file__).parent / "syntax"
RESERVED = set(re.findall(r'"([a-z]+)"', "".join(p.read_text() for p in GRAMMAR.glob("*.lark"))))


def test_every_word_has_a_page() -> None:
    assert RESERVED and set(WORDS) >= RESERVED | {"scan", "undo"}
    for word in (*WORDS, *KEYS):
        text = docs.page(word)
        assert text is not None and text.startswith(f"# `{word}`")


@pytest.mark.parametrize("word", [word for word in WORDS if WORDS[word].example])
def test_examples_are_right(word: str, tmp_path: Path) -> None:
    example = WORDS[word].example
    assert re.search(rf"\b{word}\b", example)
    text = said(example, tmp_path)
    assert not text, text


def test_a_key_says_what_it_takes(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", "optimizer"]) == 0
    text = capsys.readouterr().out
    assert "It has to be there." in text and "`adafactor`" in text and "`lbfgs`" in text
    assert cli.main(["explain", "batch"]) == 0
    assert "Left out it is `32`." in capsys.readouterr().out
    assert cli.main(["explain", "split"]) == 0  # a key of data, and a layer
    assert "Cuts an axis" in capsys.readouterr().out


def test_what_has_no_page_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["explain", "optimiser_"]) == 2
    assert "no page on optimiser_: did you mean `optimizer`?" in capsys.readouterr().err


NONE = """
model Net(shift = 0, capped = false) {
  input x: float[6, 4, 8]
  seen = x -> self_attention(
    heads=2, kv_heads=none, positions=relative_2d(window=2),
    mask=if shift > 0 then shifted_windows(height=4, width=6, window=2, shift=shift) else none)
  output logits = (seen, seen, seen) -> attention_core(softcap=if capped then 5.0 else none)
    -> mean(axis=[0, 1]) -> dense(3)
}
data {
  source = npz("rows.npz")
  x: float[6, 4, 8] = "x"
  kind: int[] = "kind"
  split  = random(train=80%, validation=none)
}
train {
  loss      = (logits, kind) -> cross_entropy
  optimizer = adamw(lr=1e-3)
  schedule  = none
  clip_norm = none
  stop      = none
  epochs    = 10
}
predict { kind = logits -> argmax }
"""


def test_none_is_what_is_not_given(tmp_path: Path) -> None:
    assert not (text := said(NONE, tmp_path)), text
    assert not (text := said(NONE.replace("shift = 0", "shift = 1"), tmp_path)), text
    text = said(NONE.replace("heads=2", "heads=none"), tmp_path)
    assert "none" in text and "error[BM" in text
    text = said(NONE.replace("epochs    = 10", "epochs = 10\n  batch = none"), tmp_path)
    assert "error[BM202]" in text or "error[BM102]" in text


HINTS = {
    'data {\n  source = csv("r.csv")\n  x = ("a".."z") -> standardize\n}': '`["a".."z"]`',
    "block B() {\n  input x: float[N]\n  output y = x -> relu\n}": "`block B {`",
    "model Other() {\n  input x: float[4]\n  output y = x -> relu\n}": "`model Other {`",
}


@pytest.mark.parametrize("given", HINTS)
def test_what_people_write_is_set_right(given: str, tmp_path: Path) -> None:
    net = "model Net {\n  input x: float[4]\n  output y = x -> dense(3)\n}\n"
    assert HINTS[given] in said(net + given, tmp_path)


@pytest.mark.parametrize("given", ["if deep {\n x = x -> relu\n }", "if deep then x = x -> relu"])
def test_an_if_is_no_statement(given: str, tmp_path: Path) -> None:
    net = f"model Net(deep = true) {{\n  input x: float[4]\n  {given}\n  output y = x -> relu\n}}"
    text = said(net, tmp_path)
    assert "a statement can't begin with `if`" in text and "`x = if deep then" in text


def test_a_percent_may_stand_apart(tmp_path: Path) -> None:
    for warmup in ("5%", "5 %", "5 %, floor=0.1"):
        text = said(
            NONE.replace("schedule  = none", f"schedule = cosine(warmup={warmup})"), tmp_path
        )
        assert not text, text
    rest = (
        "model Net(a = 7 % 3, b = 9 %(5)) {\n  input x: float[4]\n  output y = x -> dense(a + b)\n}"
    )
    assert not said(rest, tmp_path)


def test_several_outputs_have_names_at_once(tmp_path: Path) -> None:
    net = (
        "model Net {{\n  input x: float[6, 8]\n"
        "  output {} = x -> self_attention(heads=2, return_weights=true)\n}}"
    )
    assert not said(net.format("y, weights"), tmp_path)
    assert "`output a, b = …`" in said(net.format("y"), tmp_path)
    assert "3" in said(net.format("y, w, v"), tmp_path)
    assert "declared twice" in said(net.format("y, y"), tmp_path)


@pytest.mark.parametrize(
    ("block", "word"),
    [
        ("DecoderLayer", "decoder_layer"), ("SwiGLU", "swiglu"), ("SparseMoE", "sparse_moe"),
        ("MiniLM", "minilm"), ("ConvBNReLU", "conv_bn_relu"), ("UNet", "unet"),
        ("ResNetBlock", "resnet_block"), ("Network", "network"), ("NetBlock", "net_block"),
        ("ViTBlock", "vit_block"), ("RMSNorm", "rms_norm"), ("GPT2", "gpt2"),
    ],
)  # fmt: skip
def test_blocks_have_the_words_of_the_field(block: str, word: str) -> None:
    assert snake(block) == word
