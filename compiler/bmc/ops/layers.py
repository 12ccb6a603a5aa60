"""Importing this module declares every layer, initialiser and position scheme."""

from bmc.ops import (
    activation,
    arithmetic,
    attention,
    conv,
    dropout,
    embedding,
    initializers,
    join,
    linear,
    norm,
    pool,
    positions,
    recurrent,
    reduce,
    shape,
)

MODULES = (
    activation,
    arithmetic,
    attention,
    conv,
    dropout,
    embedding,
    initializers,
    join,
    linear,
    norm,
    pool,
    positions,
    recurrent,
    reduce,
    shape,
)
