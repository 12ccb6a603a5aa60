"""Importing this module declares every layer, initialiser and position scheme."""

from bmc.ops import (  # noqa: F401
    activation,
    arithmetic,
    attention,
    attention_core,
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
    sequences,
    shape,
)
