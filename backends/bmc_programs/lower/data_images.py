"""What programs do to pictures, for each batch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bmc.ops import data_images as ops
from bmc_programs.lower.table import batches
from bmc_programs.nodes import Expr, call, ref

if TYPE_CHECKING:
    from bmc_programs.batch import Batch


@batches(ops.Normalize)
def _batch_normalize(step: ops.Normalize, site: Batch) -> None:
    site.array()
    mean, deviation = step.moments()
    site.apply("normalize", mean, deviation)
    site.dtype = "float"


@batches(ops.ReadImage)
def _batch_read_image(step: ops.ReadImage, site: Batch) -> None:
    return


def _pair(size: Any) -> tuple[int, int]:
    if isinstance(size, tuple):
        return int(size[0]), int(size[1])
    return int(size), int(size)


@batches(ops.Resize)
def _batch_resize(step: ops.Resize, site: Batch) -> None:
    site.pictures()
    if step.height is not None:
        site.apply("resize_height", int(step.height))
    elif isinstance(step.size, tuple):
        site.apply("resize", *_pair(step.size))
    else:
        site.apply("resize_shorter", int(step.size))


@batches(ops.CenterCrop)
def _batch_center_crop(step: ops.CenterCrop, site: Batch) -> None:
    site.pictures()
    _large_enough(site, *_pair(step.size))
    site.apply("center_crop", *_pair(step.size))


def _large_enough(site: Batch, height: int, width: int) -> None:
    """Names the file of a picture that is too small, where there are files."""
    if site.files is not None:
        site.apply("large_enough", height, width, site.files, ref("rows"))


def _drawn(site: Batch, count: int) -> Expr:
    assert site.use is not None
    return call("draw.uniform", site.use.number, ref("rows"), count)


@batches(ops.RandomFlip)
def _batch_flip(step: ops.RandomFlip, site: Batch) -> None:
    site.pictures()
    site.apply("flip", _drawn(site, 1), float(step.p))


@batches(ops.RandomCrop)
def _batch_crop(step: ops.RandomCrop, site: Batch) -> None:
    site.pictures()
    height, width = _pair(step.size)
    border = 2 * int(step.padding)
    _large_enough(site, height - border, width - border)
    site.apply("crop", _drawn(site, 2), height, width, int(step.padding))


@batches(ops.RandomResizedCrop)
def _batch_crop_resized(step: ops.RandomResizedCrop, site: Batch) -> None:
    site.pictures()
    bounds = (float(step.least), float(step.most))
    site.apply("crop_resized", _drawn(site, 4), *_pair(step.size), *bounds)
