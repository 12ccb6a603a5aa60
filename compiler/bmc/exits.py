"""What the command line and the commands both know: how runs end, and what training is handed."""

from __future__ import annotations

FINE, FOUND, USAGE, INTERRUPTED, PIPE_CLOSED = 0, 1, 2, 130, 141
PASSED_TO_TRAIN = {
    "data": "where the data is, instead of the path in the file",
    "epochs": "passes over the training data",
    "steps": "updates of the weights",
    "device": "auto, cpu or cuda",
    "out": "folder for weights and metrics, instead of one beside the program",
    "seed": "seed of all random numbers",
}
