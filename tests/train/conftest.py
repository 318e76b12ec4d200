from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from drawing import draw_labels

from imgkit.train.picture import Picture

torch.set_num_threads(1)


@pytest.fixture
def folder(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that draws a folder of labelled pictures, all different."""

    def make(name: str = "pictures", *, per_label: int = 4, labels: tuple[str, ...] = ("coral", "king")) -> Path:
        return draw_labels(tmp_path / name, per_label=per_label, labels=labels)

    return make


@pytest.fixture
def picture() -> Callable[..., Picture]:
    """Return a function that makes the record of a picture without a file."""

    def make(label: str, group: str, *, split: str = "", name: str = "") -> Picture:
        file = Path("/pictures") / label / (name or f"{group}.jpg")
        return Picture(path=file, label=label, sha256=group, width=100, height=80, group=group, split=split)

    return make
