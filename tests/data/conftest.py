"""Nothing here runs without numpy."""

import pytest

pytest.importorskip("numpy")
