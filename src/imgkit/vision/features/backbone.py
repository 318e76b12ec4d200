"""A pretrained network that turns pictures into feature vectors."""

import logging
import threading
from collections.abc import Sequence
from functools import partial
from typing import Any, Final

import numpy as np
import torch
from PIL import Image
from torch import nn

from imgkit.arrays import Float32Array, UInt8Array
from imgkit.progress import Progress, Silent
from imgkit.vision.features import textures
from imgkit.vision.features.device import DTYPES, Precision, choose_device, choose_precision, limit_threads
from imgkit.vision.features.folding import fold
from imgkit.vision.features.weights import PACKAGED_MODEL, LoadedModel, WeightsError, build_model
from imgkit.vision.preparing import RESAMPLING, Preprocessing, prepare

logger = logging.getLogger(__name__)

GPU_MODEL: Final = "convnext_tiny.in12k_ft_in1k"
IMAGENET_CLASSES: Final = 1000
_KEY_VERSION: Final = 2  # raise it when prepare() or features() change what comes out


class Backbone:
    """A frozen network on its device, in eval mode.

    Attributes:
        name: timm's name of it.
        dimension: D, the length of a feature vector.
        preprocessing: what ``prepare`` does.
        key: a string that changes whenever the features would; the key of caches.
        source: where the weights came from, in words.
        weights: what was asked for, such as "auto", to load the same network elsewhere.
        device: where it runs.
        precision: the number format it computes in; features come back as float32.
    """

    def __init__(
        self, loaded: LoadedModel, *, device: torch.device, precision: Precision, weights: str = "auto"
    ) -> None:
        self.name, self.source, self.device, self.precision = loaded.name, loaded.source, device, precision
        self.weights = weights
        self.preprocessing = form = preprocessing_of(loaded.model)
        self._classifier = _linear_head(loaded.model)
        noise = torch.rand(1, 3, form.size, form.size, generator=torch.Generator().manual_seed(0))
        # Any: timm's methods are not in the type of nn.Module
        model: Any = fold(loaded.model.eval().requires_grad_(False), noise)
        self._model = model.to(device=device, dtype=DTYPES[precision], memory_format=torch.channels_last)
        self.dimension = self._plain(np.zeros((1, form.size, form.size, 3), np.uint8)).shape[1]
        self.key = (
            f"v{_KEY_VERSION} {self.name} {loaded.digest[:16]} {form.size}px crop {form.crop:g} {form.interpolation} "
            f"mean {form.mean} std {form.std} {precision}"
        )

    def prepare(self, image: Image.Image) -> UInt8Array:
        """Return what the network sees of an RGB picture: (S, S, 3), scaled and cut from the middle."""
        return prepare(image, self.preprocessing)

    def features(self, pixels: UInt8Array) -> Float32Array:
        """Return the (N, D) features of (N, S, S, 3) prepared pictures."""
        return self._plain(pixels)

    def features_of_views(self, pixels: UInt8Array, *, mirrored: bool) -> Float32Array:
        """Return the (N, D) features of prepared pictures, or the mean of theirs and those of their mirror images."""
        if not mirrored:
            return self.features(pixels)
        mean: Float32Array = (self.features(pixels) + self.features(pixels[:, :, ::-1])) * np.float32(0.5)
        return mean

    @property
    def knows_imagenet(self) -> bool:
        """Whether ``imagenet_probabilities`` is available: the weights came with a head of 1,000 classes."""
        return self._classifier is not None

    def imagenet_probabilities(self, features: Float32Array) -> Float32Array:
        """Return the (N, 1000) probabilities that the network's own head gives for (N, D) features.

        Raises:
            ValueError: the network has no such head (``knows_imagenet``).
        """
        if self._classifier is None:
            raise ValueError(f"{self.name} has no ImageNet head")
        weight, bias = self._classifier
        logits = features @ weight.T + bias
        logits -= logits.max(axis=1, keepdims=True)
        odds = np.exp(logits)
        probabilities: Float32Array = odds / odds.sum(axis=1, keepdims=True)
        return probabilities

    def _plain(self, pixels: UInt8Array) -> Float32Array:
        with torch.inference_mode():
            maps = self._model.forward_features(self._normalised(pixels))
            pooled = self._model.forward_head(maps, pre_logits=True)
            features: Float32Array = pooled.float().cpu().numpy()
        return features

    def _normalised(self, pixels: UInt8Array) -> torch.Tensor:
        batch = torch.from_numpy(np.ascontiguousarray(pixels)).to(self.device, non_blocking=True)
        batch = batch.permute(0, 3, 1, 2)  # (N, 3, S, S), channels last in memory
        mean = torch.tensor(self.preprocessing.mean, device=self.device).view(1, 3, 1, 1) * 255
        std = torch.tensor(self.preprocessing.std, device=self.device).view(1, 3, 1, 1) * 255
        return ((batch.float() - mean) / std).to(DTYPES[self.precision])


class TexturedBackbone(Backbone):
    """The packaged network, whose vectors end with what small heads read in the maps of its stages (``textures``).

    A vector is the plain one of ``plain_dimension`` numbers, then for each head its share of the log-odds. They come
    out of the same pass, so the plain ones cost nothing more.

    Attributes:
        plain_dimension: length of the part that the plain network gives.
        plain_key: the ``key`` of the plain network.
    """

    def __init__(
        self, loaded: LoadedModel, *, device: torch.device, precision: Precision, weights: str = "auto"
    ) -> None:
        super().__init__(loaded, device=device, precision=precision, weights=weights)
        self._passes = threading.local()  # several threads may be in the network at once
        for number, stage in enumerate(self._model.blocks):
            stage.register_forward_hook(partial(self._note, correlated=number in textures.CORRELATED))
        self.plain_dimension, self.plain_key = self.dimension, self.key
        self.dimension += len(textures.heads().names)
        self.key = f"{self.key} {textures.heads_key()}"

    def features(self, pixels: UInt8Array) -> Float32Array:
        """Return the (N, D) features of (N, S, S, 3) prepared pictures."""
        plain, found = self.features_and_textures(pixels)
        return np.concatenate([plain, textures.heads().read(found)], axis=1)

    def features_and_textures(self, pixels: UInt8Array) -> tuple[Float32Array, Float32Array]:
        """Return the (N, plain_dimension) features of prepared pictures, and the (N, T) numbers that heads read."""
        stages: list[Float32Array] = []
        self._passes.stages = stages
        plain = self._plain(pixels)
        return plain, np.concatenate([textures.pooled_textures(plain), *stages], axis=1)

    def _note(self, stage: nn.Module, inputs: object, maps: torch.Tensor, *, correlated: bool) -> None:
        self._passes.stages.append(textures.stage_textures(maps, correlated=correlated))


def load_backbone(
    name: str | None = None,
    *,
    weights: str = "auto",
    device: str = "auto",
    precision: Precision | None = None,
    size: int | None = None,
    textured: bool = False,
    progress: Progress | None = None,
) -> Backbone:
    """Load a pretrained backbone.

    Args:
        name: a timm name or ``local-dir:PATH``; None takes the packaged lite0 on a CPU and convnext_tiny on a GPU,
            where the packaged one steps in, with one line to ``progress``, if the hub cannot be reached.
        weights: as for :func:`imgkit.vision.features.weights.build_model`.
        device: as for :func:`imgkit.vision.features.device.choose_device`.
        precision: None chooses the fastest that is accurate on the device.
        size: side in pixels of the pictures that it sees; None is what its weights were trained on.
        textured: return a ``TexturedBackbone``; only for the packaged network.
        progress: is told when another model than the default had to be taken.

    Raises:
        WeightsError: the weights cannot be had; never are random ones used instead.
        UsageError: no such device.
    """
    place = choose_device(device)
    limit_threads()
    if name is None and place.type == "cuda" and weights == "auto":
        loaded = build_gpu_default(progress or Silent(), size=size)
    else:
        loaded = build_model(name or PACKAGED_MODEL, weights=weights, size=size)
    logger.info("backbone %s from %s on %s", loaded.name, loaded.source, place)
    kind = TexturedBackbone if textured else Backbone
    try:
        return kind(loaded, device=place, precision=precision or choose_precision(place), weights=weights)
    except (AssertionError, RuntimeError) as error:  # layers that the size does not divide into
        if size is None:
            raise
        raise WeightsError(
            f"{loaded.name} cannot see pictures of {size} px ({str(error).splitlines()[0]}). Nothing was changed. Give "
            "another size; multiples of 32 suit most networks.",
            code="weights.size",
        ) from error


def build_gpu_default(progress: Progress, *, size: int | None = None) -> LoadedModel:
    """Build the default for a GPU or, with one line to ``progress``, the packaged network where it cannot be had."""
    try:
        return build_model(GPU_MODEL, size=size)
    except WeightsError as error:
        reason = str(error).split(". Nothing was changed")[0]
        line = f"{reason}; using the installed {PACKAGED_MODEL} instead"
        logger.warning("%s", line)
        progress.say(line)
        return build_model(PACKAGED_MODEL, weights="packaged", size=size)


def preprocessing_of(model: nn.Module) -> Preprocessing:
    """Return what a timm model wants to see, from its own configuration."""
    config: dict[str, Any] = vars(model)["pretrained_cfg"]
    interpolation = str(config.get("interpolation"))
    return Preprocessing(
        size=int(config["input_size"][1]),
        crop=float(config.get("crop_pct") or 0.875),
        interpolation=interpolation if interpolation in RESAMPLING else "bicubic",
        mean=_three(config["mean"]),
        std=_three(config["std"]),
    )


def _three(values: Sequence[float]) -> tuple[float, float, float]:
    red, green, blue = (float(value) for value in values)
    return red, green, blue


def _linear_head(model: Any) -> tuple[Float32Array, Float32Array] | None:  # noqa: ANN401
    head = model.get_classifier()
    if not isinstance(head, nn.Linear) or head.out_features != IMAGENET_CLASSES or head.bias is None:
        return None
    return head.weight.detach().float().numpy().copy(), head.bias.detach().float().numpy().copy()
