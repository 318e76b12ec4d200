from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from drawing import draw_labels
from serving import served

from imgkit.dataset.picture import LabelledPicture
from imgkit.train.config import TrainConfig
from imgkit.train.run import train

torch.set_num_threads(1)


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that draws a folder of labelled pictures, all different."""

    def make(name: str = "pictures", *, per_label: int = 4, labels: tuple[str, ...] = ("coral", "king")) -> Path:
        return draw_labels(tmp_path / name, per_label=per_label, labels=labels)

    return make


@pytest.fixture
def picture() -> Callable[..., LabelledPicture]:
    """Return a function that makes the record of a picture without a file."""

    def make(label: str, group: str, *, split: str = "", name: str = "") -> LabelledPicture:
        file = Path("/pictures") / label / (name or f"{group}.jpg")
        return LabelledPicture(path=file, label=label, sha256=group, width=100, height=80, group=group, split=split)

    return make


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the model folder of a linear probe that tells coral from king."""
    root = draw_labels(tmp_path_factory.mktemp("serve") / "pictures", per_label=12, labels=("coral", "king"))
    return train(TrainConfig(data=root, runs=root.parent / "runs", name="run", device="cpu", weights="packaged")).model


@pytest.fixture(scope="session")
def address(model: Path) -> Iterator[str]:
    """Yield the address of a server that answers with that model."""
    with served(model) as where:
        yield where
