"""torchvision's definitions of models, where it is installed."""

from __future__ import annotations

import importlib
import importlib.util
from typing import Any
from unittest.mock import patch

import pytest


def definitions() -> Any:
    """`torchvision.models`. A build for other devices lacks operators, which they don't use."""
    pytest.importorskip("torch")
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision is not installed")
    with patch("torch.library.register_fake", lambda *_, **__: lambda function: function):
        return importlib.import_module("torchvision.models")
