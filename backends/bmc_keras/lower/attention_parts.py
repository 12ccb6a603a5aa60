"""The attention layers of a Keras program: one small class for each configuration."""

from __future__ import annotations

from bmc.emit.attention import Configuration
from bmc.emit.backend import Support
from bmc.emit.parts import filled
from bmc.emit.templates import Code
from bmc_keras.lower.table import part

ROTARY = part("rotate")
INTERLEAVED = part("rotate_neighbours")


def helpers(plan: Configuration) -> tuple[Support, ...]:
    """The functions that the class calls."""
    return tuple(map(part, plan.helpers))


def attention(plan: Configuration) -> Support:
    """The class of a configuration."""
    roots = ("keras", "layers", "ops", *(("math",) if not plan.scaled else ()))
    return filled(
        "bmc_keras",
        "attention.py",
        plan.name,
        roots,
        general=0 if plan.bias else 1,
        doc=Code(plan.doc),
        plan=plan,
        projections=Code("\n".join(_projections(plan))),
        shapes=Code(", ".join(_shapes(plan))),
        takes=Code(", ".join(_takes(plan))),
        held=Code("memory" if plan.cross else "x"),
        last=Code("" if plan.sized else ", self.combine"),
        look=Code(plan.look),
        turn=Code(plan.turn),
        by=Code(plan.by),
        kept=Code("kept" if plan.shown and plan.dropout else "weights"),
    )


def _projections(plan: Configuration) -> list[str]:
    asked, inner = plan.inner
    lines: list[str] = []
    for role, size in zip(("query", "key", "value", "output"), (asked, inner, inner, "width")):
        bias = plan.uses_bias(role)
        place = "combine" if role == "output" else role
        lines += _dense(place, f"{size}, use_bias={bias}" if bias else size)
    return lines


def _takes(plan: Configuration) -> list[str]:
    takes = ["self", "x", *(["memory"] if plan.cross else [])]
    takes += ["bias"] if plan.given else []
    takes += ["mask"] if plan.padded else []
    return takes + (["training=None"] if plan.dropout else [])


def _shapes(plan: Configuration) -> list[str]:
    """What `build` takes: the shapes of the values, without a mask's."""
    shapes = ["x_shape", *(["memory_shape"] if plan.cross else [])]
    return shapes + (["bias_shape"] if plan.given else [])


def _dense(role: str, given: str) -> list[str]:
    """A projection, on one line where it fits."""
    given = f"{given}, kernel_initializer=kernel_initializer"
    line = f"        self.{role} = layers.Dense({given})"
    if len(line) <= 88:
        return [line]
    body = [f"            {given}"]
    if len(body[0]) > 88:
        body = [f"            {part}," for part in given.split(", ")]
    return [f"        self.{role} = layers.Dense(", *body, "        )"]
