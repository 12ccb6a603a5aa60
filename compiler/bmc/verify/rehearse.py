"""Runs a program's own training in double precision: `python -m bmc.verify.rehearse`.

python -m bmc.verify.rehearse BACKEND FOLDER ARGUMENTS…, the arguments being those of train.py. Its
batches are the program's, widened, so that what differs between two programs is not rounding.
"""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np


def double(backend: str) -> None:
    """Makes a framework compute in double precision."""
    if backend == "keras":
        os.environ["KERAS_BACKEND"] = "tensorflow"
        importlib.import_module("keras").config.set_floatx("float64")
    else:
        torch = importlib.import_module("torch")
        torch.set_default_dtype(torch.float64)


def widen(data: Any) -> None:
    """Makes the batches of a program's `data.py` double, too."""
    narrow = data.Data.batches

    def batches(self: Any, *given: Any, **named: Any) -> Iterator[dict[str, np.ndarray]]:
        for batch in narrow(self, *given, **named):
            yield {
                name: array.astype(np.float64) if array.dtype == np.float32 else array
                for name, array in batch.items()
            }

    data.Data.batches = batches


def main() -> None:
    """Runs `train.main` as its command line would."""
    backend, folder, *arguments = sys.argv[1:]
    sys.path.insert(0, folder)
    sys.argv = ["train.py", *arguments]
    double(backend)
    widen(importlib.import_module("data"))
    importlib.import_module("train").main()


if __name__ == "__main__":
    main()
