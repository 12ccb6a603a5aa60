"""Steps on pictures. Pictures are height x width x channels, 8 bits, until they are numbers."""

from __future__ import annotations

from typing import Any

from bmc.ops.base import param
from bmc.ops.data import Carrying, Step
from bmc.ops.kinds import Float, Int, Kind, ListOf, Refusal, Size, Word, Words

MEANS = {
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "cifar10": ((0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)),
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    "mnist": ((0.1307,), (0.3081,)),
}


class PictureStep(Step):
    """Base of steps that take pictures and give pictures."""

    when = "batch"
    accepts = ("images", "paths", "array")

    def infer(self, value: Carrying) -> Carrying:
        """Pictures; they must not be numbers yet."""
        self.require(value)
        if value.scaled:
            raise Refusal("takes pictures, which `scale` or `normalize` turned into numbers before")
        return Carrying("images", None)


class ReadImage(
    Step, name="read_image", aliases=("load_image", "decode_image", "imread", "decode_jpeg")
):
    """Reads the picture file that the column names, relative to the folder of the table.

    `rgb` gives 3 channels, `gray` one. Pictures are decoded once and kept while they take less
    than a gigabyte; otherwise for each batch.
    """

    when = "batch"
    accepts = ("text", "paths")
    as_text = True

    mode: str = param(Words("rgb", "gray"), "channels", "rgb")

    def infer(self, value: Carrying) -> Carrying:
        """Pictures."""
        self.require(value)
        if value.shape:
            raise Refusal("takes one column")
        return Carrying("images", None)


class Resize(PictureStep, name="resize", aliases=("rescale_image", "resizing")):
    """Another size, bilinear with antialiasing.

    One number is the shorter side's length, the shape stays; `[height, width]` is exact; with
    `height=` alone the width follows.
    """

    size: Any = param(Size(), "shorter side, or [height, width]", None)
    height: int = param(Int(min=1), "height; the width follows", None)

    def check(self) -> None:
        """One of the two."""
        if (self.size is None) == (self.height is None):
            raise Refusal("takes a size or a height")
        if isinstance(self.size, tuple) and len(self.size) != 2:
            raise Refusal(
                f"expected [height, width], found a list of {len(self.size)}", setting="size"
            )


class CenterCrop(PictureStep, name="center_crop", aliases=("centercrop", "crop")):
    """The middle; a picture that is too small is refused."""

    size: Any = param(Size(), "side, or [height, width]")


class RandomFlip(
    PictureStep,
    name="random_flip",
    aliases=("random_horizontal_flip", "randomhorizontalflip", "flip"),
):
    """Left and right swapped with probability `p`."""

    random = True

    p: float = param(Float(min=0, max=1), "probability", 0.5)


class RandomCrop(PictureStep, name="random_crop", aliases=("randomcrop",)):
    """A piece from a random place, after a black border of `padding` pixels is added."""

    random = True

    size: Any = param(Size(), "side, or [height, width]")
    padding: int = param(Int(min=0), "width of the border", 0)


class RandomResizedCrop(PictureStep, name="random_resized_crop", aliases=("randomresizedcrop",)):
    """A piece of random area and proportions from a random place, resized (Szegedy et al., 2015).

    The piece has `least` to `most` of the picture's area and is from 3/4 to 4/3 as wide as high,
    even on the logarithmic scale; where it would not fit it is cut to the picture's edges.
    """

    random = True

    size: Any = param(Size(), "side, or [height, width]")
    least: float = param(Float(above=0, max=1), "least share of the area", 0.08)
    most: float = param(Float(above=0, max=1), "greatest share of the area", 1.0)

    def check(self) -> None:
        """The bounds are in order."""
        if self.least > self.most:
            raise Refusal(f"is above `most` = {self.most:g}", setting="least")


class Moments(Kind):
    """Numbers for each channel, or the name of a data set whose numbers are known."""

    description = "a list of one number a channel"

    def convert(self, value: Any) -> Any:
        """A data set's name as `str`, or a tuple of numbers."""
        if isinstance(value, Word) and value.id in MEANS:
            return value.id
        return ListOf(Float(), single=True).convert(value)

    def words(self) -> tuple[str, ...]:
        """The data sets."""
        return tuple(MEANS)


class Normalize(Step, name="normalize", aliases=("normalise", "normalization")):
    """`(x / 255 - mean) / deviation`, each channel by itself.

    `imagenet`, `cifar10`, `clip` and `mnist` stand for the numbers used with those data sets.
    """

    when = "batch"
    accepts = ("images", "paths", "array")

    mean: Any = param(
        Moments(), "mean of each channel, for pictures from 0 to 1; or a data set's name"
    )
    std: Any = param(ListOf(Float(above=0), single=True), "deviation of each channel", None)

    def moments(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Means and deviations."""
        if isinstance(self.mean, str):
            return MEANS[self.mean]
        return tuple(map(float, self.mean)), tuple(map(float, self.std))

    def check(self) -> None:
        """Numbers need deviations, as many as means."""
        if isinstance(self.mean, str):
            if self.std is not None:
                raise Refusal(f"`{self.mean}` has deviations of its own", setting="std")
            return
        if self.std is None:
            raise Refusal("needs the deviations", setting="std")
        if len(self.mean) != len(self.std):
            raise Refusal(
                f"has {len(self.mean)} means and {len(self.std)} deviations", setting="std"
            )

    def infer(self, value: Carrying) -> Carrying:
        """Pictures as numbers."""
        self.require(value)
        if value.scaled:
            raise Refusal("takes pictures from 0 to 255, which were scaled before")
        return Carrying("images", None, scaled=True)
