"""The closed list of keys of a `train` section, and where starting weights come from.

Checks, docs and completion read `KEYS`. Knows no backend.
"""

from __future__ import annotations

from typing import Any

from bmc.ops import (  # noqa: F401  (families of `Made`)
    losses,
    losses_distances,
    losses_numbers,
    losses_sequences,
    metrics,
    metrics_sequences,
    optimizers,
    schedules,
)
from bmc.ops.base import REQUIRED, Declaration, Sample, param
from bmc.ops.kinds import Bool, Float, Int, Kind, ListOf, Made, Str, Words
from bmc.records import record

ALL = ("torch", "keras", "onnx")


class Pipeline(Kind):
    """A pipeline over the model's outputs and the data: `(logits, digit) -> cross_entropy`."""

    description = "a pipeline like `(prediction, target) -> …`"

    def convert(self, value: Any) -> Any:
        """The pipeline as it is; the training pass resolves it."""
        return value


class Parts(Kind):
    """Names of layers or models: `[embed, body[0..11]]`."""

    description = "a list of layers or models"

    def convert(self, value: Any) -> Any:
        """The names as they are; the training pass resolves them."""
        return value


class Cadence(Made):
    """`every(1000 steps, keep=3)`, or `never`."""

    def __init__(self) -> None:
        super().__init__("checkpoint", "`every(…)`")


class WeightsFrom(Declaration, family="weights"):
    """Base of places that starting weights come from."""


class Pretrained(WeightsFrom, name="pretrained", aliases=("from_pretrained", "load")):
    """Weights of a safetensors file, under this model's names or through a map of names.

    A map is a JSON object from names in the file to names of the model, with `{words}` for what
    varies between dots. It may transpose, count elements by other axes, cut packed tensors into
    parts and leave tensors out; `bmc weights` converts files with the same maps. What the file
    lacks starts as declared, as does what `anew` names: a head for other classes than those of the
    file. Training says what matched.
    """

    file: str = param(Str(), "the safetensors file")
    names: str | None = param(Str(), "a JSON file with a map of names, beside the spec", None)
    anew: tuple[str, ...] = param(
        ListOf(Str(), single=True), "parts of the model that start as declared all the same", ()
    )
    samples = (Sample({"file": "start.safetensors"}),)


@record
class Key:
    """One key of a `train` section."""

    name: str
    kind: Kind
    doc: str
    default: Any = REQUIRED
    subject: str | None = None  # what may stand between the key and `=`, in words
    backends: tuple[str, ...] = ALL  # those that honour it
    later: bool = False  # a word of the language that no backend honours yet
    aliases: tuple[str, ...] = ()


KEYS: dict[str, Key] = {
    key.name: key
    for key in (
        Key("loss", Pipeline(), "what training makes small; several add up, logged one by one",
            subject="a name", aliases=("criterion", "objective", "losses")),
        Key("metrics", Pipeline(), "what an evaluation reports besides the loss", None,
            subject="a name", aliases=("metric",)),
        Key("optimizer", Made("optimizer"), "how gradients change the weights",
            subject="a part of the model", aliases=("optim", "optimiser", "solver")),
        Key("schedule", Made("schedule"), "the learning rate over the run; constant if left out",
            None, aliases=("scheduler", "lr_schedule", "lr_scheduler")),
        Key("epochs", Int(min=1), "the length of the run in passes over the training split; this "
            "or `steps`", None, aliases=("epoch", "num_epochs", "max_epochs", "num_train_epochs")),
        Key("steps", Int(min=1), "the length of the run in updates; this or `epochs`", None,
            aliases=("max_steps", "iterations", "train_steps")),
        Key("batch", Int(min=1), "samples in one forward and backward pass", 32,
            aliases=("batch_size", "micro_batch_size", "bs")),
        Key("accumulate", Int(min=1), "batches whose gradients make one update, every sample "
            "weighing the same", 1,
            aliases=("gradient_accumulation_steps", "accumulate_grad_batches", "accumulation")),
        Key("clip_norm", Float(above=0), "longest gradient, over all weights together", None,
            aliases=("max_grad_norm", "gradient_clip_val", "clip_grad_norm", "clip", "max_norm",
                     "global_clipnorm", "clipnorm")),
        Key("clip_value", Float(above=0), "largest number in a gradient, each clipped by itself, before "
            "`clip_norm`", None, aliases=("gradient_clip_value", "clipvalue", "clip_grad_value")),
        Key("precision", Words("fp32", "tf32", "bf16", "fp16"), "numbers of the forward and "
            "backward pass; weights, losses and updates stay float32, and fp16 scales its losses. tf32 "
            "rounds products on GPUs that can; fp32 forbids that; left out, the framework decides", None,
            backends=("torch", "keras"),
            aliases=("dtype", "amp", "mixed_precision")),
        Key("compile", Bool(), "whether the framework's compiler is used", False,
            backends=("torch", "keras"), aliases=("torch_compile", "jit", "jit_compile")),
        Key("ema", Float(above=0, below=1), "decay of an average of the weights, which is what is "
            "evaluated and saved; it starts from the weights after the first update", None,
            aliases=("ema_decay", "ema_momentum", "use_ema", "weight_averaging")),
        Key("stop", Made("stop"), "a rule that ends the run early", None,
            aliases=("early_stopping", "early_stop", "patience")),
        Key("checkpoint", Cadence(), "how often the run's state is saved, and how many are kept",
            None, aliases=("save_every", "checkpoints", "save")),
        Key("log", ListOf(Words("tensorboard", "wandb", "mlflow"), single=True), "where records go "
            "besides a run's `metrics.jsonl` and `metrics.csv`", (), backends=("torch", "keras"),
            aliases=("logger", "loggers", "logging", "report_to")),
        Key("seed", Int(min=0), "where random numbers start: weights, order, dropout", 0,
            aliases=("random_seed", "random_state")),
        Key("freeze", Parts(), "parts of the model that do not learn", (),
            aliases=("frozen", "freeze_layers")),
        Key("weights", Made("weights"), "weights to start from", None,
            subject="a part of the model", aliases=("pretrained", "load_from", "initial_weights")),
        Key("sampler", Pipeline(), "how training rows are drawn: `weighted(data.w)`, each with its "
            "weight, or `balanced(data.kind)`, every class as often; as many as there are, and a row "
            "may come again", None, backends=("torch", "keras"), aliases=("oversample", "resample")),
        Key("adapt", Pipeline(), "small trained additions to frozen layers", None, later=True,
            subject="a part of the model", backends=(), aliases=("lora", "peft")),
        Key("strategy", Pipeline(), "how work is spread over devices", None, later=True,
            backends=(), aliases=("distributed", "parallel")),
    )
}  # fmt: skip


def key_alias(name: str) -> str | None:
    """The right key for a known wrong guess (`batch_size`, `lr_scheduler`)."""
    wanted = name.lower()
    return next((key.name for key in KEYS.values() if wanted in key.aliases), None)
