"""User names as Python identifiers: the user's word when that can be kept, never a surprise.

The grammar lets through ASCII words only; what is left is keywords, builtins and names that a
framework's base class owns.
"""

from __future__ import annotations

import builtins
import keyword
import re
from collections.abc import Container

RESERVED = frozenset(
    {*keyword.kwlist, *keyword.softkwlist, *dir(builtins), "self", "cls"}
)  # fmt: skip

# Public and one-underscore names of torch.nn.Module: assigning a layer to one loses it silently.
TORCH_MODULE = frozenset(
    """
    T_destination add_module apply bfloat16 buffers call_super_init children compile cpu cuda
    double dump_patches eval extra_repr float forward get_buffer get_extra_state get_parameter
    get_submodule half ipu load_state_dict modules mtia named_buffers named_children named_modules
    named_parameters parameters register_backward_hook register_buffer register_forward_hook
    register_forward_pre_hook register_full_backward_hook register_full_backward_pre_hook
    register_load_state_dict_post_hook register_load_state_dict_pre_hook register_module
    register_parameter register_state_dict_post_hook register_state_dict_pre_hook requires_grad_
    set_extra_state set_submodule share_memory state_dict to to_empty train training type xpu
    zero_grad
    """.split()
)


def identifier(text: str) -> str:
    """A word as an identifier: keywords and builtins get a trailing underscore."""
    word = re.sub(r"[^A-Za-z0-9_]", "_", text)[:64].lstrip("_") or "x"
    if word[0].isdigit():
        word = f"n{word}"
    return f"{word}_" if word in RESERVED else word


def attribute(text: str, taken: Container[str] = ()) -> str:
    """A word as an attribute: a name that the base class owns gets a trailing underscore."""
    word = re.sub(r"[^A-Za-z0-9_]", "_", text)[:64].lstrip("_") or "x"
    if word[0].isdigit():
        word = f"n{word}"
    while keyword.iskeyword(word) or word in taken:
        word += "_"
    return word


def class_name(text: str) -> str:
    """`residual_block` is `ResidualBlock`; a name with capitals stays as it is."""
    word = re.sub(r"[^A-Za-z0-9_]", "_", text)[:64].strip("_") or "Block"
    if not word[0].isupper():
        word = "".join(part[:1].upper() + part[1:] for part in word.split("_"))
    return f"{word}_" if word in RESERVED else word


class Scope:
    """Hands out names that are not taken yet."""

    def __init__(self, taken: Container[str] = ()) -> None:
        self.outside = taken
        self.used: set[str] = set()

    def unique(self, wanted: str, mark: str = "_") -> str:
        """`wanted`, or `wanted_2`, `wanted_3`…; `mark` is what stands before the number."""
        name, number = wanted, 1
        while name in self.used or name in self.outside:
            number += 1
            name = f"{wanted}{mark}{number}"
        self.used.add(name)
        return name
