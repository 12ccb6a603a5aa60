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

# Names that keras.Layer and keras.Model own.
KERAS_LAYER = frozenset(
    """
    activity_regularizer add_loss add_metric add_weight autocast build build_from_config built call
    compile compile_from_config compile_metrics compiled compute_dtype compute_loss compute_mask
    compute_metrics compute_output_shape compute_output_spec count_params distribute_reduction_method
    distribute_strategy dtype dtype_policy evaluate export fit from_config get_build_config
    get_compile_config get_config get_layer get_metrics_result get_quantization_layer_structure
    get_state_tree get_weights input input_dtype input_spec inputs jit_compile layers load_own_variables
    load_weights loss losses make_predict_function make_test_function make_train_function metrics
    metrics_names metrics_variables name non_trainable_variables non_trainable_weights optimizer output
    path predict predict_function predict_on_batch predict_step quantization_mode quantize
    quantized_build quantized_call rematerialized_call reset_metrics run_eagerly save save_own_variables
    save_weights set_state_tree set_weights stateless_call stateless_compute_loss steps_per_execution
    stop_training submodules summary supports_jit supports_masking symbolic_call test_function
    test_on_batch test_step to_json train_function train_on_batch train_step trainable
    trainable_variables trainable_weights variable_dtype variables weights with_name_scope
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

    def unique(self, wanted: str) -> str:
        """`wanted`, or `wanted_2`, `wanted_3`…"""
        name, number = wanted, 1
        while name in self.used or name in self.outside:
            number += 1
            name = f"{wanted}_{number}"
        self.used.add(name)
        return name
