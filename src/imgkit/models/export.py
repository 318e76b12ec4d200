"""Write a trained model for other programs, and prove that it answers the same there."""

import importlib.util
import io
import json
import re
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from imgkit import commands
from imgkit.arrays import Float64Array
from imgkit.errors import IntegrityError, UsageError
from imgkit.escaping import markdown_text
from imgkit.files import read_plain_file, resource_error, temporary_folder, write_atomically, write_text
from imgkit.models.classifier import Classifier
from imgkit.models.model_folder import (
    CONFIG_FILE,
    FAMILIAR_FILE,
    TRAINED_ON_FILE,
    WEIGHTS_FILE,
    ModelMetadata,
    find_model,
    loading_lines,
    read_metadata,
)
from imgkit.models.network import Normalise
from imgkit.vision.features.backbone import preprocessing_of
from imgkit.vision.features.weights import LOCAL_FOLDER, build_model
from imgkit.vision.preparing import Preprocessing

TRIED = 8  # pictures of noise that both sides answer
LARGEST_DIFFERENCE = 1e-4  # of a probability
HUB_FILES = (CONFIG_FILE, WEIGHTS_FILE, FAMILIAR_FILE, TRAINED_ON_FILE)
_PLAIN = re.compile(r"[\w .,;:%()-]*")  # nothing in it is Markdown
INPUT, OUTPUT = "pictures", "probabilities"
INPUT_SAYS = (
    "pixels, not the bytes of a file: float32 RGB in 0 to 1, (B, 3, {size}, {size}); mean and standard deviation are "
    "applied inside"
)
PREPARE_SAYS = (
    "turn the picture upright, scale the whole so that its shorter side is {shortest} px ({interpolation}, "
    "antialiased), cut {size} x {size} px from the middle, divide by 255"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Exported:
    """One thing that was written, and the largest difference of a probability to ours (None: nothing computes)."""

    form: str
    path: Path
    difference: float | None


class Complete(nn.Module):
    """Pictures (B, 3, S, S), numbers in 0 to 1, to calibrated probabilities (B, K): nothing is left to do outside."""

    def __init__(self, model: nn.Module, form: Preprocessing) -> None:
        super().__init__()
        self.normalise, self.model = Normalise(form), model

    def forward(self, pictures: Tensor) -> Tensor:
        """Return the probabilities."""
        return torch.softmax(self.model(self.normalise(pictures)), dim=1)


def export_torch(model: Path, target: Path) -> Exported:
    """Write a torch.export program: it runs with torch alone, for any number of pictures at once.

    Raises:
        UsageError: no such model.
        IntegrityError: the program does not answer as the model does.
        ResourceError: it cannot be written.
    """
    complete, form, metadata = _complete(model)
    program = torch.export.export(
        complete, (_example(form),), dynamic_shapes={"pictures": {0: torch.export.Dim("batch", min=1, max=1024)}}
    )
    packed = io.BytesIO()
    torch.export.save(program, packed, extra_files={"imgkit.json": json.dumps(_card(metadata, form))})
    write_atomically(target, packed.getvalue())
    written = torch.export.load(io.BytesIO(target.read_bytes())).module()
    return _verified("torch.export", target, model, lambda pictures: written(pictures).detach().numpy())


def export_onnx(model: Path, target: Path) -> Exported:
    """Write an ONNX file with labels and preprocessing in its metadata, for any number of pictures at once.

    Raises:
        UsageError: no such model, or the packages for it are not installed.
        IntegrityError: the file does not answer as the model does.
        ResourceError: it cannot be written, or there is no room for temporary files.
    """
    _require_packages("onnx", "onnxscript", "onnxruntime")
    import onnx
    import onnxruntime

    complete, form, metadata = _complete(model)
    with temporary_folder() as folder, warnings.catch_warnings():  # torch warns of its own internals
        warnings.simplefilter("ignore")
        file = folder / "model.onnx"
        try:
            torch.onnx.export(
                complete,
                (_example(form),),
                file,
                input_names=[INPUT],
                output_names=[OUTPUT],
                dynamic_shapes={"pictures": {0: torch.export.Dim("batch", min=1, max=1024)}},
                dynamo=True,
                external_data=False,
                verbose=False,
            )
            proto = onnx.load(file)
        except OSError as error:
            raise resource_error(error, file) from error
    onnx.helper.set_model_props(proto, {name: json.dumps(value) for name, value in _card(metadata, form).items()})
    write_atomically(target, proto.SerializeToString())
    session = onnxruntime.InferenceSession(target.read_bytes(), providers=["CPUExecutionProvider"])
    return _verified("ONNX", target, model, lambda pictures: session.run([OUTPUT], {INPUT: pictures.numpy()})[0])


def export_hub(model: Path, target: Path) -> Exported:
    """Write a folder that can be uploaded to the Hugging Face hub as it is: the model and its card.

    Raises:
        UsageError: no such model, or there is something at ``target`` already.
    """
    folder = find_model(model)
    metadata = read_metadata(folder)
    if target.exists() and any(target.iterdir()):
        raise UsageError(f"{target} is not empty. Nothing was changed. Give a new folder.")
    _folder_of(target / CONFIG_FILE)
    for name in HUB_FILES:
        write_atomically(target / name, _own(folder / name))
    form = preprocessing_of(build_model(f"{LOCAL_FOLDER}{folder.absolute()}").model)
    write_text(target / "README.md", _readme(metadata, form, target.name, _scores(folder.parent / "report.json")))
    return Exported(form="hub folder", path=target, difference=None)


def _own(file: Path) -> bytes:
    try:
        return read_plain_file(file)
    except OSError as error:
        raise UsageError(
            f"{file} cannot be copied: {error.strerror or error}. The folder to fill is not complete. Put the file "
            "itself in its place."
        ) from error


def _scores(report: Path) -> str:
    """Return the sentence of a run's report; "" where there is no such report beside the model."""
    try:
        said = json.loads(read_plain_file(report))["verdict"]
    except (OSError, ValueError, KeyError, TypeError):
        return ""
    if not isinstance(said, str):
        return ""
    return said if _PLAIN.fullmatch(said) else markdown_text(said)


def _folder_of(target: Path) -> None:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise resource_error(error, target) from error


def _complete(model: Path) -> tuple[Complete, Preprocessing, ModelMetadata]:
    folder = find_model(model)
    metadata = read_metadata(folder)
    loaded = build_model(f"{LOCAL_FOLDER}{folder.absolute()}")
    form = preprocessing_of(loaded.model)
    return Complete(loaded.model, form).eval(), form, metadata


def _example(form: Preprocessing) -> Tensor:
    return torch.rand(2, 3, form.size, form.size, generator=torch.Generator().manual_seed(0))


def _card(metadata: ModelMetadata, form: Preprocessing) -> dict[str, object]:
    return {
        "labels": list(metadata.labels),
        "preprocessing": asdict(form),
        "input": INPUT_SAYS.format(size=form.size),
        "prepare": PREPARE_SAYS.format(shortest=form.shortest, size=form.size, interpolation=form.interpolation),
    }


def _verified(form: str, target: Path, model: Path, answer: Callable[[Tensor], Float64Array]) -> Exported:
    """Compare with our own answers, the way a prediction makes them."""
    folder = find_model(model)
    classifier = Classifier(build_model(f"{LOCAL_FOLDER}{folder.absolute()}"), read_metadata(folder), device="cpu")
    size = classifier.backbone.preprocessing.size
    pixels = np.random.default_rng(0).integers(0, 256, (TRIED, size, size, 3), dtype=np.uint8)
    ours = np.stack([classifier.probabilities(each.logits[None])[0] for each in classifier.predict_batch(pixels)])
    theirs = answer(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255)
    difference = float(np.abs(ours - theirs).max())
    if difference > LARGEST_DIFFERENCE:
        raise IntegrityError(
            f"{target} answers differently from the model: a probability is off by {difference:.2g}. The model is as "
            "it was. Do not use that file."
        )
    return Exported(form=form, path=target, difference=difference)


def _require_packages(*packages: str) -> None:
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(
            f"ONNX needs packages that are not installed: {', '.join(missing)}. Nothing was changed. Install them with "
            'the extra export: pip install "imgkit-datasets[export]", or from a checkout: pip install ".[export]".'
        )


def _readme(metadata: ModelMetadata, form: Preprocessing, name: str, scores: str) -> str:
    pictures = markdown_text(str(metadata.trained.get("pictures", "?")))
    prepare = PREPARE_SAYS.format(shortest=form.shortest, size=form.size, interpolation=form.interpolation)
    labels = "\n".join(f"- {markdown_text(label)}" for label in metadata.labels)
    return f"""---
library_name: timm
pipeline_tag: image-classification
tags: [image-classification, timm, imgkit]
---

# {name}

An image classifier for {len(metadata.labels)} labels, trained with imgkit on {pictures} pictures.
{scores}

```python
{loading_lines(name).rstrip()}
```

On the Hugging Face hub, write `hf-hub:<user>/<name>` for `local-dir:...`. The softmax of its outputs is calibrated.
`{commands.command("predict", Path(name), commands.PICTURES)}` also says which pictures show none of the
labels.

## From a picture to the input

The network takes pixels, not the bytes of a file: {prepare}, then subtract the mean and divide by the standard
deviation in `config.json`. This does it, and so does `AutoImageProcessor` of transformers:

```python
from timm.data import create_transform, resolve_model_data_config

transform = create_transform(**resolve_model_data_config(model), is_training=False)
```

## Labels

{labels}
"""
