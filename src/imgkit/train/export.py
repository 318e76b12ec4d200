"""Write a trained model for other programs, and prove that it answers the same there."""

import importlib.util
import json
import shutil
import warnings
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from imgkit.errors import IntegrityError, UsageError
from imgkit.files import write_text
from imgkit.train.classifier import Classifier
from imgkit.train.metrics import Floats
from imgkit.train.model import Normalise
from imgkit.train.modelfolder import About, find_model, read_about
from imgkit.vision.backbone import Preprocessing, preprocessing_of
from imgkit.vision.weights import LOCAL_FOLDER, build_model

TRIED = 8  # pictures of noise that both sides answer
LARGEST_DIFFERENCE = 1e-4  # of a probability
INPUT, OUTPUT = "pictures", "probabilities"


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
    """
    complete, form, about = _complete(model)
    program = torch.export.export(
        complete, (_example(form),), dynamic_shapes={"pictures": {0: torch.export.Dim("batch", min=1, max=1024)}}
    )
    target.parent.mkdir(parents=True, exist_ok=True)
    torch.export.save(program, target, extra_files={"imgkit.json": json.dumps(_card(about, form))})
    written = torch.export.load(target).module()
    return _proved("torch.export", target, model, lambda pictures: written(pictures).detach().numpy())


def export_onnx(model: Path, target: Path) -> Exported:
    """Write an ONNX file with labels and preprocessing in its metadata, for any number of pictures at once.

    Raises:
        UsageError: no such model, or the packages for it are not installed.
        IntegrityError: the file does not answer as the model does.
    """
    _need("onnx", "onnxscript", "onnxruntime")
    import onnx
    import onnxruntime

    complete, form, about = _complete(model)
    target.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():  # torch warns of its own internals
        warnings.simplefilter("ignore")
        torch.onnx.export(
            complete,
            (_example(form),),
            target,
            input_names=[INPUT],
            output_names=[OUTPUT],
            dynamic_shapes={"pictures": {0: torch.export.Dim("batch", min=1, max=1024)}},
            dynamo=True,
            external_data=False,
            verbose=False,
        )
    proto = onnx.load(target)
    onnx.helper.set_model_props(proto, {name: json.dumps(value) for name, value in _card(about, form).items()})
    onnx.save(proto, target)
    session = onnxruntime.InferenceSession(str(target), providers=["CPUExecutionProvider"])
    return _proved("ONNX", target, model, lambda pictures: session.run([OUTPUT], {INPUT: pictures.numpy()})[0])


def export_hub(model: Path, target: Path) -> Exported:
    """Write a folder that can be uploaded to the Hugging Face hub as it is: the model and its card.

    Raises:
        UsageError: no such model, or there is something at ``target`` already.
    """
    folder = find_model(model)
    about = read_about(folder)
    if target.exists() and any(target.iterdir()):
        raise UsageError(f"{target} is not empty. Nothing was changed. Give a new folder.")
    target.mkdir(parents=True, exist_ok=True)
    for file in sorted(folder.iterdir()):
        shutil.copyfile(file, target / file.name)
    report = folder.parent / "report.json"
    scores = json.loads(report.read_text("utf-8"))["verdict"] if report.is_file() else ""
    write_text(target / "README.md", _readme(about, target.name, scores))
    return Exported(form="hub folder", path=target, difference=None)


def _complete(model: Path) -> tuple[Complete, Preprocessing, About]:
    folder = find_model(model)
    about = read_about(folder)
    loaded = build_model(f"{LOCAL_FOLDER}{folder.absolute()}")
    form = preprocessing_of(loaded.model)
    return Complete(loaded.model, form).eval(), form, about


def _example(form: Preprocessing) -> Tensor:
    return torch.rand(2, 3, form.size, form.size, generator=torch.Generator().manual_seed(0))


def _card(about: About, form: Preprocessing) -> dict[str, object]:
    return {"labels": list(about.labels), "preprocessing": asdict(form), "input": "float32 RGB in 0 to 1, (B, 3, S, S)"}


def _proved(form: str, target: Path, model: Path, answer: Callable[[Tensor], Floats]) -> Exported:
    """Compare with our own answers, the way a prediction makes them."""
    folder = find_model(model)
    classifier = Classifier(build_model(f"{LOCAL_FOLDER}{folder.absolute()}"), read_about(folder), device="cpu")
    size = classifier.backbone.preprocessing.size
    pixels = np.random.default_rng(0).integers(0, 256, (TRIED, size, size, 3), dtype=np.uint8)
    ours = np.stack([classifier.probabilities(each.logits[None])[0] for each in classifier.look(pixels)])
    theirs = answer(torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 255)
    difference = float(np.abs(ours - theirs).max())
    if difference > LARGEST_DIFFERENCE:
        raise IntegrityError(
            f"{target} answers differently from the model: a probability is off by {difference:.2g}. The model is as "
            "it was. Do not use that file."
        )
    return Exported(form=form, path=target, difference=difference)


def _need(*packages: str) -> None:
    missing = [name for name in packages if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(
            f"ONNX needs packages that are not installed: {', '.join(missing)}. Nothing was changed. Install them with "
            'the extra export: pip install "imgkit-datasets[export]", or from a checkout: pip install ".[export]".'
        )


def _readme(about: About, name: str, scores: str) -> str:
    labels = "\n".join(f"- {label}" for label in about.labels)
    return f"""---
library_name: timm
pipeline_tag: image-classification
tags: [image-classification, timm, imgkit]
---

# {name}

An image classifier for {len(about.labels)} labels, trained with imgkit on {about.trained["pictures"]} pictures.
{scores}

```python
import timm

model = timm.create_model("local-dir:{name}", pretrained=True)  # or hf-hub:<user>/{name}
labels = model.pretrained_cfg["label_names"]
```

The softmax of its outputs is calibrated. `imgkit predict {name} PICTURES` also says which pictures show none of the
labels.

## Labels

{labels}
"""
