"""A wrong guess leads to one right name, which is no wrong guess itself."""

from __future__ import annotations

from collections import Counter

import pytest

from bmc import samples
from bmc.ops.keys import KEYS
from bmc.ops.kinds import REGISTRY

samples.load_declarations()
# What an arrow may lead to is looked up in these together.
TOGETHER = ("loss", "reduction", "layer")


@pytest.mark.parametrize("family", sorted(REGISTRY))
def test_an_alias_is_no_name(family: str) -> None:
    declared = REGISTRY[family].values()
    aliases = Counter(alias for one in declared for alias in one.aliases)
    assert not set(aliases) & set(REGISTRY[family])
    assert max(aliases.values(), default=1) == 1, aliases.most_common(1)


def test_no_layer_is_called_like_a_loss() -> None:
    names = Counter(
        name
        for family in TOGETHER
        for name, declared in REGISTRY[family].items()
        if not getattr(declared, "sign", "")
    )
    assert {name for name, times in names.items() if times > 1} <= {"mean", "sum"}


def test_an_alias_of_a_key_is_no_key() -> None:
    aliases = Counter(alias for key in KEYS.values() for alias in key.aliases)
    assert not set(aliases) & set(KEYS)
    assert max(aliases.values()) == 1
