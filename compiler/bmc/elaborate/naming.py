"""Names of the layer instances of a block: stable, unique, as near to the author's as can be."""

from __future__ import annotations

import re
from typing import Any

from bmc.ir.model import BlockSpec, Instance, Repeat

Site = tuple[Any, ...]


MIXED = (  # words of the field that are one word, for all their capitals
    *("SwiGLU", "GeGLU", "ReGLU", "PReLU", "ReLU", "SiLU", "LoRA", "RoPE", "ALiBi", "MoE"),
    *("BiLSTM", "BiGRU", "MiniLM", "ViT", "DeiT", "ConvNeXt", "NeRF"),
)
ONE_WORD = re.compile(rf"(?:{'|'.join(MIXED)})(?![a-z])")


def snake(name: str) -> str:
    """`DecoderLayer` is `decoder_layer`, `GPT2` `gpt2`, `SwiGLU` `swiglu`, `ResNet` `resnet`."""
    plain = ONE_WORD.sub(lambda match: match[0].capitalize(), name)
    plain = re.sub(r"(?<=[A-Za-z])Net(?![a-z])", "net", plain)  # `UNet`, `ResNet`
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", plain)
    return spaced.lower()


def plural(name: str) -> str:
    """`layer` is `layers`; `pass` is `passes`."""
    if name.endswith(("s", "x", "ch", "sh")):
        return name + "es"
    if name.endswith("y") and name[-2:-1] not in "aeiou":
        return name[:-1] + "ies"
    return name + "s"


def singular(name: str) -> str:
    """`layers` is `layer`: what `plural` was made of, as far as that can be told."""
    for end, before in (("ies", "y"), ("sses", "ss"), ("xes", "x"), ("ches", "ch"), ("shes", "sh")):
        if name.endswith(end) and len(name) > len(end):
            return name.removesuffix(end) + before
    return name.removesuffix("s")


def name_instances(spec: BlockSpec, sites: dict[int, Site]) -> None:
    """Names every instance: the author's name, else the layer's with a number where needed.

    Instances made at one place in a loop share a name and are told apart by their turn.
    """
    groups: dict[str, list[list[Instance]]] = {}
    by_site: dict[Site, list[Instance]] = {}
    given: set[str] = {parameter.name for parameter in spec.params}
    inputs = {entry.value.name for entry in spec.inputs}
    for instance in spec.instances:
        if instance.place is not None:  # the author has numbered it
            given.add(instance.base)
            instance.name, instance.loops = instance.base, (instance.place,)
            continue
        site = sites.get(id(instance))
        if site is not None and site in by_site:
            by_site[site].append(instance)
            continue
        members = [instance]
        if site is not None:
            by_site[site] = members
        if instance.given:
            given.add(instance.base)
        groups.setdefault(_stem(instance, site is not None), []).append(members)
    taken = given | (inputs if spec.kind == "model" else set())
    for stem, slots in groups.items():
        for number, members in enumerate(slots, start=1):
            _name_slot(stem, number, len(slots), members, sites, taken)


def _stem(instance: Instance, looped: bool) -> str:
    """What a name is made from; several of a kind have the plural."""
    if instance.given or not looped or isinstance(instance.target, Repeat):
        return instance.base  # a repeat's is one already
    return plural(instance.base)


def _name_slot(
    stem: str,
    number: int,
    count: int,
    members: list[Instance],
    sites: dict[int, Site],
    taken: set[str],
) -> None:
    looped = id(members[0]) in sites
    name = stem
    if not members[0].given:
        if count > 1:
            name = f"{name}{number}" if not name[-1].isdigit() else f"{name}_{number}"
        while name in taken:
            name += "_"
        taken.add(name)
    for turn, instance in enumerate(members):
        instance.name = name
        instance.loops = (turn,) if looped else ()
