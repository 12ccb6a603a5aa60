"""Names that a spec may give and that Python, a framework or a program has too."""

from __future__ import annotations

import bmc.ops.layers  # noqa: F401  (declaring a layer registers it)
from bmc.emit.names import TORCH_MODULE
from bmc.ops.kinds import REGISTRY
from bmc.syntax.grammar import keywords

WORDS = sorted(
    {
        *TORCH_MODULE, *REGISTRY["layer"],
        *"""class lambda def return yield async global pass None_ print list dict input_ eval exec type
        id len super object int float str bool tuple set map zip range x y z i self cls model data
        torch nn F math keras layers ops np onnx helper g name names train main save build finish
        tensor weights variable units kernel bias weight dense1 dense2 dense_1 conv1 relu1 add_1
        add_2 relu_1 multiply_2 subtract get_item permute matmul sum_1 layer layers_1 block norm
        depthwise embedding_1 parameter place name_weights flat_layers initialize batch training
        inputs outputs dtype shape call build get_config losses metrics trainable graph add nodes
        uses number_use reshape hidden net x_1 x_2 deviation stretched_sum rotate alibi""".split(),
    }
    - keywords() - {"scan", "identity", "training"}
)  # fmt: skip
WORDS = [word for word in WORDS if word[0].islower()]
