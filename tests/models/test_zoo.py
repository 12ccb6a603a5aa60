"""Programs that others wrote: their weights come in by a map of names, and give their outputs."""

from __future__ import annotations

import importlib
import importlib.util
import math
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file
from tests.models.agree import BACKENDS, module_of
from tests.models.definitions import definitions
from tests.programs.project import SPECS

from bmc import driver
from bmc.diagnostics.diagnostic import Problems
from bmc.diagnostics.render import render_all
from bmc.emit.names import class_name
from bmc.ir.cost import parameters
from bmc.project import open_project
from bmc.verify.compare import difference
from bmc.weights.files import read_weights

pytestmark = [pytest.mark.torch, pytest.mark.keras, pytest.mark.onnx, pytest.mark.nightly]
OUTPUTS = 1e-4
ZOO = Path(__file__).with_name("zoo")
# Keys of maps that serve several models, and tensors that others are tied to.
UNUSED = {
    "lm_head.weight",
    "embed_out.weight",
    "model.layers.{n}.self_attn.q_norm.weight",
    "model.layers.{n}.self_attn.k_norm.weight",
}
TOKENS = np.random.default_rng(0).integers(0, 90, (2, 11))


def load_transformers() -> Any:
    """`transformers`, which loads torchvision where that is installed."""
    if importlib.util.find_spec("torchvision") is not None:
        definitions()
    return pytest.importorskip("transformers")


def program(name: str, folder: Path, settings: dict[str, str], kind: str = "text") -> Any:
    """A spec of ours at another size, which its count of parameters does not fit."""
    shutil.copytree(SPECS / "blocks", folder / "blocks")
    (folder / kind).mkdir()
    text = (SPECS / kind / f"{name}.bm").read_text("utf-8")
    path = folder / kind / f"{name}.bm"
    kept = [line for line in text.splitlines() if "assert" not in line]
    path.write_text("\n".join(kept) + "\n", encoding="utf-8")
    problems = Problems()
    project, source = open_project(str(path), str(folder))
    found = driver.load(source, project, problems, settings)
    assert found is not None, render_all(problems, False)
    return found


def arrays(state: dict[str, Any]) -> dict[str, np.ndarray]:
    """A PyTorch model's state."""
    return {name: tensor.numpy().copy() for name, tensor in state.items()}


def agree(
    ours: Any, state: dict[str, np.ndarray], names: Path, inputs: list[np.ndarray],
    theirs: list[np.ndarray], folder: Path, unused: set[str] = UNUSED,
) -> None:  # fmt: skip
    """All three programs with the other one's weights give its outputs."""
    path = folder / "theirs.safetensors"
    save_file(state, path)
    problems = Problems()
    mapped = read_weights(path, ours.main, problems, names)
    assert mapped is not None, render_all(problems, False)
    assert set(mapped.unused) <= unused
    for backend in BACKENDS:
        code = driver.compile(ours, backend, problems)["model.py"]
        module = module_of(code, folder, backend)
        probe = importlib.import_module(f"bmc_{backend}.probe")
        numbers = mapped.tensors
        model = probe.Model(module, class_name(ours.main.name), numbers, "float32")
        for made, mine, other in zip(ours.main.outputs, model.run(inputs), theirs, strict=True):
            found = difference(made.name, mine, other, OUTPUTS)
            assert found.fine, f"{backend}: {made.name} differs by {found.share:.1e}"


def test_gpt2(tmp_path: Path) -> None:
    transformers = load_transformers()
    import torch

    config = transformers.GPT2Config(
        vocab_size=90, n_positions=32, n_embd=32, n_layer=3, n_head=4, attn_pdrop=0.0
    )
    torch.set_default_dtype(torch.float32)
    theirs = transformers.GPT2LMHeadModel(config).eval()
    with torch.no_grad():
        logits = theirs(torch.from_numpy(TOKENS)).logits.numpy()
    sizes = {"vocab": "90", "context": "32", "dim": "32", "depth": "3", "heads": "4"}
    ours = program("gpt2", tmp_path, {f"GPT2.{key}": value for key, value in sizes.items()})
    names = SPECS / "text" / "names" / "gpt2.json"
    agree(ours, arrays(theirs.state_dict()), names, [TOKENS], [logits], tmp_path)


SMALL = {
    "vocab_size": 90, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 4, "max_position_embeddings": 64, "attention_dropout": 0.0,
}  # fmt: skip
SIZES = {"vocab": 90, "dim": 32, "depth": 2, "heads": 4, "hidden": 48}
STRETCHED = {
    "rope_type": "llama3", "rope_theta": 500000.0, "factor": 8.0, "low_freq_factor": 1.0,
    "high_freq_factor": 4.0, "original_max_position_embeddings": 8,
}  # fmt: skip
# Of each: spec, map, class of `transformers`, what its configuration has besides, our settings.
DECODERS: dict[str, tuple[str, str, str, dict[str, Any], dict[str, Any]]] = {
    "Llama2": ("llama2_7b", "llama2", "Llama", {"rms_norm_eps": 1e-5}, {}),
    "Llama3": (
        "llama3_1_8b", "llama2", "Llama",
        {"rms_norm_eps": 1e-5, "num_key_value_heads": 2, "rope_parameters": STRETCHED},
        {"kv_heads": 2, "context": 8},
    ),
    "Mistral": (
        "mistral_7b", "llama2", "Mistral",
        {"rms_norm_eps": 1e-5, "num_key_value_heads": 2, "sliding_window": 5},
        {"kv_heads": 2, "window": 5},
    ),
    "Qwen2": (
        "qwen2_0_5b", "qwen", "Qwen2",
        {"num_key_value_heads": 2, "tie_word_embeddings": True,
         "rope_parameters": {"rope_type": "default", "rope_theta": 1e6}},
        {"kv_heads": 2},
    ),
    "Qwen3": (
        "qwen3_0_6b", "qwen", "Qwen3",
        {"num_key_value_heads": 2, "head_dim": 16, "tie_word_embeddings": True,
         "rope_parameters": {"rope_type": "default", "rope_theta": 1e6}},
        {"kv_heads": 2, "head_dim": 16},
    ),
    "Gemma2": (
        "gemma2_2b", "gemma2", "Gemma2",
        {"num_key_value_heads": 2, "head_dim": 16, "sliding_window": 5,
         "query_pre_attn_scalar": 16, "attn_implementation": "eager"},
        {"kv_heads": 2, "head_dim": 16, "window": 5},
    ),
    "Phi": (
        "phi_2", "phi", "Phi",
        {"hidden_size": 80, "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0,
                                                "partial_rotary_factor": 0.4}},
        {"dim": 80},
    ),
    "Pythia": (
        "pythia_160m", "pythia", "GPTNeoX",
        {"rope_parameters": {"rope_type": "default", "rope_theta": 10000.0,
                             "partial_rotary_factor": 0.25}},
        {},
    ),
}  # fmt: skip


def randomized(model: Any) -> Any:
    """Weights that make a difference: those of norms and biases begin as ones and zeros."""
    import torch

    torch.manual_seed(0)
    for weight in model.parameters():
        weight.data += torch.randn_like(weight) * (0.1 if weight.ndim == 1 else 0.05)
    return model.eval()


@pytest.mark.parametrize("model", DECODERS)
def test_decoders(model: str, tmp_path: Path) -> None:
    transformers = load_transformers()
    import torch

    spec, names, kind, more, settings = DECODERS[model]
    torch.set_default_dtype(torch.float32)
    config = getattr(transformers, f"{kind}Config")(**{**SMALL, **more})
    theirs = randomized(getattr(transformers, f"{kind}ForCausalLM")(config))
    with torch.no_grad():
        logits = theirs(torch.from_numpy(TOKENS)).logits.numpy()
    sizes = SIZES | settings
    if model == "Gemma2":
        sizes["pairs"] = sizes.pop("depth") // 2
    ours = program(spec, tmp_path, {f"{model}.{key}": str(size) for key, size in sizes.items()})
    path = SPECS / "text" / "names" / f"{names}.json"
    if model == "Pythia":  # its map has the numbers of the published sizes
        path = tmp_path / "small.json"
        text = (SPECS / "text" / "names" / f"{names}.json").read_text("utf-8")
        path.write_text(text.replace("12, 3, 64", "4, 3, 8").replace("2304", "96"), "utf-8")
    agree(ours, arrays(theirs.state_dict()), path, [TOKENS], [logits], tmp_path)


def test_bert(tmp_path: Path) -> None:
    transformers = load_transformers()
    import torch

    config = transformers.BertConfig(
        vocab_size=90, hidden_size=32, num_hidden_layers=2, num_attention_heads=4,
        intermediate_size=128, max_position_embeddings=32,
    )  # fmt: skip
    torch.set_default_dtype(torch.float32)
    theirs = transformers.BertModel(config).eval()
    segments = np.random.default_rng(1).integers(0, 2, TOKENS.shape)
    with torch.no_grad():
        made = theirs(torch.from_numpy(TOKENS), token_type_ids=torch.from_numpy(segments))
    outputs = [made.last_hidden_state.numpy(), made.pooler_output.numpy()]
    sizes = {"vocab": "90", "context": "32", "dim": "32", "depth": "2", "heads": "4"}
    ours = program("bert_base", tmp_path, {f"Bert.{key}": value for key, value in sizes.items()})
    names = SPECS / "text" / "names" / "bert.json"
    agree(ours, arrays(theirs.state_dict()), names, [TOKENS, segments], outputs, tmp_path)


COMMON = {
    "hidden_size": 32,
    "intermediate_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
}
BOTH = {
    "vocab_size": 90, "d_model": 32, "encoder_layers": 2, "decoder_layers": 2,
    "encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 128,
    "decoder_ffn_dim": 128,
}  # fmt: skip
PICTURE = {"image_size": 32, "patch_size": 8}
DEPTHS = {"dim": 32, "depth": 2, "heads": 4}
RANDOM = np.random.default_rng(4)
IDS = np.where(TOKENS == 1, 2, TOKENS)  # 1 is the padding of some
LONG = RANDOM.integers(0, 90, (2, 40))
IMAGE = RANDOM.normal(size=(2, 3, 32, 32)).astype("float32")
SOUND = RANDOM.normal(size=(2, 8, 20)).astype("float32")
# Of each: spec, map, class of `transformers`, its configuration, our settings, numbers of the map
# that belong to the published size, what it takes, and what it gives.
OTHERS: dict[str, tuple[Any, ...]] = {
    "Roberta": (
        "text/roberta_base", "RobertaModel",
        {**COMMON, "vocab_size": 90, "max_position_embeddings": 34, "type_vocab_size": 1},
        {**DEPTHS, "vocab": 90, "context": 32}, {"512": "32"},
        {"input_ids": IDS}, ("last_hidden_state", "pooler_output"),
    ),
    "DistilBert": (
        "text/distilbert", "DistilBertModel",
        {"vocab_size": 90, "dim": 32, "hidden_dim": 128, "n_layers": 2, "n_heads": 4,
         "max_position_embeddings": 32},
        {**DEPTHS, "vocab": 90, "context": 32}, {}, {"input_ids": IDS}, ("last_hidden_state",),
    ),
    "Bart": (
        "text/bart_base", "BartForConditionalGeneration", {**BOTH, "max_position_embeddings": 30},
        {**DEPTHS, "vocab": 90, "context": 30}, {"1024": "30"},
        {"input_ids": IDS, "decoder_input_ids": IDS[:, :7]}, ("logits",),
    ),
    "Whisper": (
        "sound/whisper_tiny", "WhisperForConditionalGeneration",
        {**BOTH, "num_mel_bins": 8, "max_source_positions": 10, "max_target_positions": 30,
         "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1},
        {**DEPTHS, "vocab": 90, "mels": 8, "frames": 20, "context": 30}, {},
        {"input_features": SOUND, "decoder_input_ids": IDS}, ("logits",),
    ),
    "T5": (
        "text/t5_small", "T5ForConditionalGeneration",
        {"vocab_size": 90, "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4,
         "decoder_start_token_id": 0},
        {**DEPTHS, "vocab": 90, "hidden": 48}, {},
        {"input_ids": LONG, "decoder_input_ids": IDS}, ("logits",),
    ),
    "Mamba": (
        "text/mamba_130m", "MambaForCausalLM",
        {"vocab_size": 90, "hidden_size": 32, "state_size": 5, "num_hidden_layers": 3,
         "time_step_rank": 4},
        {"vocab": 90, "dim": 32, "depth": 3, "size": 5, "rank": 4}, {},
        {"input_ids": TOKENS}, ("logits",),
    ),
    "ViT": (
        "vision/vit_b16", "ViTForImageClassification",
        {**COMMON, **PICTURE, "layer_norm_eps": 1e-6, "num_labels": 10},
        {**DEPTHS, "size": 32, "patch": 8, "classes": 10}, {"768": "32"},
        {"pixel_values": IMAGE}, ("logits",),
    ),
    "DeiT": (
        "vision/deit_b16", "DeiTForImageClassificationWithTeacher",
        {**COMMON, **PICTURE, "num_labels": 10},
        {**DEPTHS, "size": 32, "patch": 8, "classes": 10}, {"768": "32"},
        {"pixel_values": IMAGE}, ("logits",),
    ),
    "Clip": (
        "vision/clip_b32", "CLIPModel",
        {"text_config": {**COMMON, "vocab_size": 90, "max_position_embeddings": 11,
                         "bos_token_id": 0, "eos_token_id": 2, "pad_token_id": 1},
         "vision_config": {**COMMON, **PICTURE}, "projection_dim": 16},
        {**DEPTHS, "size": 32, "patch": 8, "vocab": 90, "context": 11, "text_dim": 32,
         "text_depth": 2, "text_heads": 4, "out": 16}, {},
        {"pixel_values": IMAGE, "input_ids": IDS}, ("image_embeds", "text_embeds"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("model", OTHERS)
def test_others(model: str, tmp_path: Path) -> None:
    """Encoders, and models of two parts; their files are what `transformers` writes."""
    transformers = load_transformers()
    import torch
    from safetensors.numpy import load_file

    spec, kind, more, settings, numbers, given, wanted = OTHERS[model]
    torch.set_default_dtype(torch.float32)
    theirs = getattr(transformers, kind)
    theirs = randomized(theirs(theirs.config_class(**more)))
    with torch.no_grad():
        made = theirs(**{name: torch.from_numpy(array) for name, array in given.items()})
        outputs = [made[name].numpy() for name in wanted]
    theirs.save_pretrained(tmp_path / "theirs")
    folder, name = spec.split("/")
    ours = program(name, tmp_path, {f"{model}.{k}": str(v) for k, v in settings.items()}, folder)
    names = tmp_path / "names.json"
    text = (SPECS / folder / "names" / f"{name.partition('_')[0]}.json").read_text("utf-8")
    for published, small in numbers.items():
        text = text.replace(published, small)
    names.write_text(text, "utf-8")
    state = load_file(tmp_path / "theirs" / "model.safetensors")
    agree(ours, state, names, list(given.values()), outputs, tmp_path)


def keras_weights(model: Any) -> dict[str, np.ndarray]:
    """Random weights for a model of keras.applications, by their paths in it."""
    random = np.random.default_rng(2)
    found = {}
    for variable in model.weights:
        shape = tuple(variable.shape)
        if len(shape) > 1:
            fan = np.prod(shape) / (shape[2] if "depthwise" in variable.path else shape[-1])
            values = random.normal(size=shape) * np.sqrt(2 / fan)
        else:
            values = random.normal(size=shape) * 0.1
            values = np.abs(values) + 0.8 if "gamma" in variable.path else values
            values = np.abs(values) + 0.8 if "variance" in variable.path else values
        variable.assign(values)
        found[variable.path] = np.asarray(values, "float32")
    return found


@pytest.mark.parametrize(
    ("name", "size"), [("MobileNetV2", 96), ("VGG16", 64), ("EfficientNetB0", 96)]
)
def test_keras_applications(name: str, size: int, tmp_path: Path) -> None:
    path = ZOO / f"{name.lower()}.bm"
    problems = Problems()
    project, source = open_project(str(path))
    ours = driver.load(source, project, problems)
    assert ours is not None, render_all(problems, False)
    keras_agrees(name, ours, path.with_suffix(".json"), size, tmp_path)


@pytest.mark.parametrize("name", ["ResNet50V2", "Xception"])
def test_specs_for_keras_applications(name: str, tmp_path: Path) -> None:
    ours = program(
        name.lower(), tmp_path, {f"{name}.size": "96", f"{name}.classes": "10"}, "vision"
    )
    names = SPECS / "vision" / "names" / f"{name.lower()}.json"
    keras_agrees(name, ours, names, 96, tmp_path, classifier_activation=None)


def keras_agrees(
    name: str, ours: Any, names: Path, size: int, folder: Path, **settings: Any
) -> None:
    """A model of keras.applications at a size of pictures, and ten classes."""
    import keras

    keras.config.set_floatx("float32")
    keras.utils.clear_session()  # names count on from model to model
    build = getattr(keras.applications, name)
    theirs = build(weights=None, input_shape=(size, size, 3), classes=10, **settings)
    assert parameters(ours.main) == sum(math.prod(w.shape) for w in theirs.trainable_weights)
    weights = keras_weights(theirs)
    image = np.random.default_rng(3).normal(size=(2, 3, size, size)).astype("float32")
    image *= 255 if name == "EfficientNetB0" else 1  # which takes bytes
    scores = keras.ops.convert_to_numpy(theirs(image.transpose(0, 2, 3, 1), training=False))
    assert np.ptp(scores) > 0.01
    agree(ours, weights, names, [image], [scores], folder)
