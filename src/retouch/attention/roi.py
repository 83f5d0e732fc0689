"""Where a model itself takes an edit to be: clusters of its features, joined where it reads the words of the edit."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from diffusers.models.attention_processor import Attention
from diffusers.models.unets.unet_2d_condition import UNet2DConditionModel
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from retouch.attention.control import Attend, attending
from retouch.attention.layers import cross_layers, keys, probabilities, queries
from retouch.attention.stop_words import EDIT_VERBS, STOP_WORDS
from retouch.attention.words import Places, Reader, bare, check_span
from retouch.core.errors import MissingExtraError, ModelError, SettingsError
from retouch.diffusion.loop import Step

GRID = 2
"""Cells of the maps for each cell of the latents along one side: 128² where latents are 64², as published."""


@dataclass(frozen=True, kw_only=True)
class RoiSettings:
    """How a region of interest is found (LIME, arXiv 2312.09256, section 3.1, and its published code).

    clusters: K of the k-means.
    top: the share of all positions that is most read from; every cluster that holds one of them is of the region.
    layers: (from, below) which share of the latents' side the layers have whose attention counts; 16² up to but
        without 64² where latents are 64².
    last: how many of those layers count, from the last one back; None all of them.
    blocks: from which share of the latents' side on the up blocks' features count.
    span: from and to which fraction of the steps both are looked at.
    least: the contrast below which nothing stands out; see `Roi`.

    Raises SettingsError.
    """

    clusters: int = 8
    top: float = 100 / 128**2
    layers: tuple[float, float] = (0.25, 1.0)
    last: int | None = None
    blocks: float = 0.25
    span: tuple[float, float] = (0.0, 1 / 3)
    least: float = 0.25

    def __post_init__(self) -> None:
        check_span(self.span)
        for name, value, least in (("clusters", self.clusters, 2), ("last", self.last, 1)):
            if value is not None and value < least:
                raise SettingsError(f"{name} is {value}; expected at least {least}.")
        for name, share in (("top", self.top), ("least", self.least), ("blocks", self.blocks)):
            if not 0 < share <= 1:
                raise SettingsError(f"{name} is {share}; expected a share above 0, up to 1.")


SMALL_LATENTS = RoiSettings(clusters=16, last=1, blocks=1.0)
"""For latents of 32²: of the pocket editor's layers the last that reads the text tells best where an edit is, and its
finest features outline things best."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Roi:
    """The region of one sample, (H, W) bool, `GRID` cells for each of the latents along a side.

    contrast: 1 − (mean attention outside) / (mean attention inside), 1 at the most; 0 where no cluster stands out.
    """

    mask: NDArray[np.bool_]
    contrast: float


def region_of_interest(attention: Tensor, features: Tensor, settings: RoiSettings, *, seed: int = 0) -> tuple[Roi, ...]:
    """The clusters of each sample's features that hold a position which the words are most read from.

    Args:
        attention: (B, H, W), of the words; see `Watch.attention`.
        features: (B, C, H, W), of length 1 along C; see `Watch.features`.
        settings: how many clusters, and what counts as most.
        seed: where k-means starts from.

    Raises:
        MissingExtraError: scikit-learn is not installed.
    """
    means = _k_means()
    rois = []
    for read, said in zip(attention.cpu().double().numpy(), features.cpu().numpy(), strict=True):
        points = said.reshape(len(said), -1).T
        labels = means(points, settings.clusters, seed).reshape(read.shape)
        count = max(1, round(settings.top * read.size))
        mask = np.isin(labels, np.unique(labels.ravel()[np.argsort(-read.ravel(), kind="stable")[:count]]))
        rois.append(Roi(mask=mask, contrast=_contrast(read, mask)))
    return tuple(rois)


def _contrast(read: NDArray[np.float64], mask: NDArray[np.bool_]) -> float:
    inside = float(read[mask].mean())
    return max(0.0, 1 - float(read[~mask].mean()) / inside) if inside > 0 and not mask.all() else 0.0


def _k_means() -> Callable[[NDArray[np.float32], int, int], NDArray[np.int32]]:
    try:
        from sklearn.cluster import KMeans
        from sklearn.exceptions import ConvergenceWarning
    except ImportError as error:
        raise MissingExtraError(
            "The model's own region needs scikit-learn, which is not installed: run pip install 'retouch[grounding]'."
        ) from error

    def labels(points: NDArray[np.float32], clusters: int, seed: int) -> NDArray[np.int32]:
        with warnings.catch_warnings():
            # A flat picture has fewer different points than clusters, which is no fault.
            warnings.simplefilter("ignore", ConvergenceWarning)
            return KMeans(min(clusters, len(points)), n_init="auto", random_state=seed).fit_predict(points)

    return labels


def meaningful(reader: Reader, text: str) -> Places:
    """Where the words of an instruction stand that are no stop word and do not say what is done to the others.

    Where there are none left, all its words.
    """
    words = [(bare(word), places) for word, places in reader.words(text)]
    told = [places for word, places in words if word and word not in STOP_WORDS and word not in EDIT_VERBS]
    return tuple(place for places in told or [places for _, places in words] for place in places)


class Watch:
    """A control that changes nothing: it sees where a U-Net reads some words, and the features of its up blocks.

    places: of each of the B samples the tokens whose attention counts.
    latents: their size (h, w).
    branch: whose features are taken, counted from the end: 1 the branch with the text, 2 the one before it, which
        sees the picture alone.
    """

    def __init__(
        self, places: Sequence[Places], latents: tuple[int, int], settings: RoiSettings, *, branch: int = 2
    ) -> None:
        self._places, self._latents, self._settings, self._branch = tuple(places), latents, settings, branch
        self._now = False
        self._maps: dict[str, Tensor] = {}
        self._features: dict[int, Tensor] = {}

    def over(self, unet: UNet2DConditionModel) -> AbstractContextManager[None]:
        """Watch every layer that reads the text and every up block."""
        return self._over(unet)

    @contextmanager
    def _over(self, unet: UNet2DConditionModel) -> Iterator[None]:
        self._maps, self._features = {}, {}
        with ExitStack() as stack:
            stack.enter_context(attending(cross_layers(unet), self._attend))
            for number, block in enumerate(unet.up_blocks):
                stack.callback(block.register_forward_hook(partial(self._see_features, number)).remove)
            yield

    def before(self, step: Step, latents: Tensor) -> Tensor:
        """Hear whether this step is looked at. Raises SettingsError for a batch of another size."""
        if len(latents) != len(self._places) or tuple(latents.shape[-2:]) != self._latents:
            raise SettingsError(
                f"The latents are {' x '.join(map(str, latents.shape))}; expected {len(self._places)} samples of "
                f"{self._latents[0]} x {self._latents[1]}."
            )
        start, end = self._settings.span
        self._now = start <= step.progress < end
        return latents

    def after(self, step: Step, latents: Tensor) -> Tensor:  # noqa: ARG002
        """Leave the latents as they are."""
        return latents

    def attention(self) -> Tensor:
        """How much of each position's attention the words have, over all layers, heads, words and steps, (B, H, W).

        Raises ModelError where no layer was seen.
        """
        counted = list(self._maps.values())[-(self._settings.last or 0) :]
        maps = [self._on_grid(maps[:, None])[:, 0] for maps in counted]
        if not maps:
            raise ModelError("No layer of the model reads the text at a size that counts; it has no region of its own.")
        return torch.stack(maps).mean(0)

    def features(self) -> Tensor:
        """What the up blocks say of each position, side by side and of length 1, (B, C, H, W)."""
        if not self._features:
            raise ModelError("No up block of the model has a size that counts; it has no region of its own.")
        joined = torch.cat([self._on_grid(own) for own in self._features.values()], dim=1)
        return functional.normalize(joined, dim=1)

    def _attend(self, name: str) -> Attend:
        def attend(layer: Attention, hidden: Tensor, read: Tensor, bias: Tensor | None) -> None:
            low, high = self._settings.layers
            if self._now and low <= self._share(hidden.shape[1]) < high:
                count = len(self._places)
                own = None if bias is None else bias[-count:]
                found = probabilities(queries(layer, hidden[-count:]), keys(layer, read[-count:]), own)
                self._add(self._maps, name, self._of_words(found))

        return attend

    def _of_words(self, found: Tensor) -> Tensor:
        """(B, heads, T, L) → (B, h, w): the mean over heads and over each sample's words."""
        heads = found.float().mean(1)
        words = torch.stack([one[:, list(own)].mean(-1) for one, own in zip(heads, self._places, strict=True)])
        return words.view(len(words), *self._sides(words.shape[-1]))

    def _see_features(self, number: int, _block: Any, _given: Any, output: Tensor) -> None:
        count = len(self._places)
        if not self._now or self._share(output.shape[-2] * output.shape[-1]) < self._settings.blocks:
            return
        end = len(output) - (min(self._branch, len(output) // count) - 1) * count
        self._add(self._features, number, output[end - count : end].float())

    @staticmethod
    def _add(seen: dict[Any, Tensor], key: Any, found: Tensor) -> None:
        seen[key] = seen[key] + found if key in seen else found

    def _share(self, positions: int) -> float:
        """A layer's side as a share of the latents'."""
        return (positions / (self._latents[0] * self._latents[1])) ** 0.5

    def _sides(self, positions: int) -> tuple[int, int]:
        rows, columns = self._latents
        while rows * columns > positions:
            # Halved as the U-Net's convolutions of stride 2 do.
            rows, columns = -(-rows // 2), -(-columns // 2)
        return rows, columns

    def _on_grid(self, fields: Tensor) -> Tensor:
        size = (self._latents[0] * GRID, self._latents[1] * GRID)
        return functional.interpolate(fields, size=size, mode="bilinear", align_corners=False)
