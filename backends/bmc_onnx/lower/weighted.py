"""Methods of the graph class for layers with weights, each printed once in a program that needs it."""

from __future__ import annotations

from bmc_onnx.lower.table import part

WEIGHT = part("weight")
SCALED_WEIGHT = part("scaled_weight")
CONV = part("conv")
CONV_WITHOUT_BIAS = part("conv_without_bias")
CONV_TRANSPOSE = part("conv_transpose")
CONV_TRANSPOSE_WITHOUT_BIAS = part("conv_transpose_without_bias")
DENSE = part("dense")
DENSE_WITHOUT_BIAS = part("dense_without_bias")
DENSE_LAST = part("dense_last")
DENSE_LAST_WITHOUT_BIAS = part("dense_last_without_bias")
MULTIPLY_TURNED = part("multiply_turned")
NORM = part("norm")
NORM_WITHOUT_WEIGHTS = part("norm_without_weights")
LAYER_NORM = part("layer_norm")
LAYER_NORM_WITHOUT_BIAS = part("layer_norm_without_bias")
LAYER_NORM_WITHOUT_WEIGHTS = part("layer_norm_without_weights")
RMS_NORM = part("rms_norm")
RMS_NORM_WITHOUT_WEIGHTS = part("rms_norm_without_weights")
INSTANCE_NORM = part("instance_norm")
INSTANCE_NORM_WITHOUT_WEIGHTS = part("instance_norm_without_weights")
GROUP_NORM_WITHOUT_WEIGHTS = part("group_norm_without_weights")
GROUP_NORM = part("group_norm")
EMBED = part("embed")
LEARNED_POSITIONS = part("learned_positions")
ALL_POSITIONS = part("all_positions")
