"""Write and read the model folder: model.safetensors and a config.json that timm and imgkit both understand.

``timm.create_model("local-dir:<folder>", pretrained=True)`` gives the network with its label names; what timm does not
know is under the key ``imgkit`` and in familiar.safetensors (the centres of the labels). Never a pickle.
"""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import nn

import imgkit
from imgkit.errors import IntegrityError, UsageError
from imgkit.files import read_file, sha256_of, write_atomically, write_text
from imgkit.models.label_table import LabelTable
from imgkit.models.out_of_distribution import OutOfDistributionDetector
from imgkit.models.prediction_sets import PredictionSets
from imgkit.vision.features.backbone import preprocessing_of
from imgkit.vision.features.weights import LOCAL_FOLDER

WEIGHTS_FILE = "model.safetensors"
FAMILIAR_FILE = "familiar.safetensors"
TRAINED_ON_FILE = "trained-on.txt"
CONFIG_FILE = "config.json"
HASHED_FILES = (WEIGHTS_FILE, FAMILIAR_FILE, TRAINED_ON_FILE)
FORMAT = 2  # of the part under "imgkit"
FROM_ELSEWHERE = (
    "url",
    "file",
    "state_dict",
    "hf_hub_id",
    "hf_hub_filename",
    "source",
    "label_names",
    "label_descriptions",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelMetadata:
    """The metadata of a model folder.

    ``labels`` are in the order of the outputs; ``detector`` tells which pictures show none of them; ``trained``
    names the run, the chosen weights and the number of pictures; ``trained_on`` holds the SHA-256 of the pictures that
    were used for training or validation, so that the model is not scored on them by mistake. ``sets`` is the rule of
    prediction sets, None where no picture could be held out for it; ``table`` says what the labels mean, None where
    nothing is said. The softmax of the outputs is calibrated: the
    weights of the last layer are divided by the temperature.
    """

    labels: tuple[str, ...]
    detector: OutOfDistributionDetector
    trained: Mapping[str, object]
    trained_on: frozenset[str]
    sets: PredictionSets | None = None
    table: LabelTable | None = None


def write_model(folder: Path, model: nn.Module, architecture: str, metadata: ModelMetadata) -> None:
    """Write a model folder. The configuration comes last, so a folder with one is complete.

    Args:
        folder: made if needed.
        model: a timm model whose last layer has one output for each label.
        architecture: timm's name of it, with or without the tag of the pretrained weights.
        metadata: labels, detector and record of the training.
    """
    state = {name: tensor.detach().cpu().contiguous() for name, tensor in model.state_dict().items()}
    write_atomically(folder / WEIGHTS_FILE, safetensors.torch.save(state, metadata={"format": "pt"}))
    write_text(folder / TRAINED_ON_FILE, "".join(f"{digest}\n" for digest in sorted(metadata.trained_on)))
    centres = {"centres": torch.from_numpy(metadata.detector.centres)}
    write_atomically(folder / FAMILIAR_FILE, safetensors.torch.save(centres))
    stored, form = cast(dict[str, Any], model.pretrained_cfg), preprocessing_of(model)
    patches = getattr(getattr(model, "patch_embed", None), "img_size", None)  # a network that takes one size only
    config = {
        **({"model_args": {"img_size": list(patches)}} if patches else {}),
        "architecture": architecture.split(".")[0],
        "num_classes": len(metadata.labels),
        "num_features": model.num_features,
        "label_names": list(metadata.labels),
        "pretrained_cfg": {
            **{name: value for name, value in stored.items() if name not in FROM_ELSEWHERE and value is not None},
            "num_classes": len(metadata.labels),
            "custom_load": False,
            # as pictures were prepared here, whatever the network's own configuration left open
            "crop_pct": form.crop,
            "crop_mode": "center",
            "interpolation": form.interpolation,
        },
        "imgkit": {
            "format": FORMAT,
            "version": imgkit.__version__,
            "sha256": {name: sha256_of(folder / name) for name in HASHED_FILES},
            "unknown_below": metadata.detector.threshold,
            "prediction_sets": metadata.sets.as_json() if metadata.sets else None,
            "label_table": metadata.table.as_json() if metadata.table else None,
            "trained": dict(metadata.trained),
        },
    }
    write_text(folder / CONFIG_FILE, json.dumps(config, indent=2, ensure_ascii=False) + "\n")


def find_model(path: Path) -> Path:
    """Return the model folder at ``path``, which may also be a run's folder.

    Raises:
        UsageError: there is none.
    """
    for folder in (path, path / "model"):
        if (folder / CONFIG_FILE).is_file() and (folder / WEIGHTS_FILE).is_file():
            return folder
    raise UsageError(
        f"{path} is no model folder: it has no {CONFIG_FILE} with {WEIGHTS_FILE} beside it. Nothing was changed. "
        "Give a folder that imgkit train wrote, such as runs/<name>/model."
    )


def architecture_of(folder: Path) -> str:
    """Return the name by which timm knows the network of a model folder.

    Raises:
        UsageError: its configuration cannot be read, or names none.
    """
    try:
        return str(json.loads(read_file(folder / CONFIG_FILE))["architecture"])
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        raise UsageError(
            f"{folder / CONFIG_FILE} names no network ({type(error).__name__}). Nothing was changed. Give a folder "
            "such as runs/<name>/model."
        ) from error


def read_metadata(folder: Path) -> ModelMetadata:
    """Return the metadata of a model folder, after checking its weights against their hash.

    Raises:
        UsageError: another program wrote it.
        IntegrityError: its files do not belong together.
        ResourceError: one of them could not be read.
    """
    try:
        config = json.loads(read_file(folder / CONFIG_FILE))
        ours = config["imgkit"]
        if ours["format"] != FORMAT:
            raise ValueError(f"format {ours['format']} instead of {FORMAT}")
        labels, trained = tuple(config["label_names"]), dict(ours["trained"])
        threshold, expected = float(ours["unknown_below"]), dict(ours["sha256"])
        if sorted(expected) != sorted(HASHED_FILES) or not labels or not all(isinstance(one, str) for one in labels):
            raise ValueError("hashes or labels that imgkit does not write")
        sets = PredictionSets.from_json(ours["prediction_sets"]) if ours.get("prediction_sets") else None
        table = LabelTable.from_json(ours["label_table"]) if ours.get("label_table") else None
        if len(set(labels)) != len(labels) or not math.isfinite(threshold):
            raise ValueError("labels or a threshold that imgkit does not write")
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UsageError(
            f"{folder / CONFIG_FILE} was not written by this imgkit ({type(error).__name__}: {error}). Nothing was "
            "changed. Give a folder such as runs/<name>/model."
        ) from error
    changed = [name for name, digest in expected.items() if not _holds(folder / name, digest)]
    if changed or len(labels) != config.get("num_classes"):
        raise IntegrityError(
            f"the files in {folder} do not belong together: {changed[0] if changed else CONFIG_FILE} was changed. "
            "Nothing was predicted. Copy the whole folder again, or train again."
        )
    try:
        centres = safetensors.torch.load((folder / FAMILIAR_FILE).read_bytes())["centres"].numpy()
        if centres.ndim != 2 or len(centres) != len(labels) or centres.dtype != np.float32:
            raise ValueError(f"centres of {centres.dtype}, {centres.shape}")
        trained_on = (folder / TRAINED_ON_FILE).read_text("utf-8").split()
    except (OSError, ValueError, KeyError, TypeError, SafetensorError) as error:
        raise IntegrityError(
            f"the files in {folder} do not belong together: {error}. Nothing was predicted. Copy the whole folder "
            "again, or train again."
        ) from error
    return ModelMetadata(
        labels=labels,
        detector=OutOfDistributionDetector(centres=centres, threshold=threshold),
        trained=trained,
        trained_on=frozenset(trained_on),
        sets=sets,
        table=table,
    )


def _holds(path: Path, digest: str) -> bool:
    return path.is_file() and sha256_of(path) == digest


def loading_lines(model: Path | str) -> str:
    """Return the lines of Python that load a model folder by timm, wherever timm is installed.

    Where torchvision was built for another torch, ``import timm`` fails unless imgkit declares what is missing first.
    """
    return f"""\
from contextlib import suppress

with suppress(ImportError):  # needed only beside a torchvision that was built for another torch
    from imgkit.vision.features import torchvision_ops

    torchvision_ops.ensure()

import timm

model = timm.create_model({LOCAL_FOLDER + str(model)!r}, pretrained=True)
labels = model.pretrained_cfg["label_names"]
"""
