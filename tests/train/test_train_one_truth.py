"""One way from a picture to probabilities, whoever computes them."""

import json
from importlib.util import find_spec

import numpy as np
import pytest
import timm
import torch
from PIL import Image
from timm.data import create_transform, resolve_model_data_config

from imgkit.models.classifier import load_classifier
from imgkit.models.export import export_hub, export_onnx, export_torch
from imgkit.models.predict import predict

SIZES = [
    (96, 72), (72, 96), (224, 224), (256, 256), (300, 200), (257, 511), (500, 375), (375, 500), (640, 200), (90, 900),
    (1200, 900), (2100, 1400),
]  # fmt: skip


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    """Return twelve JPEGs between the two labels, with fine detail in which methods of scaling differ."""
    folder, files = tmp_path_factory.mktemp("photographs"), []
    for number, (width, height) in enumerate(SIZES):
        random = np.random.default_rng(number)
        ground = np.linspace((200, 60, 40), (50, 70, 200), width)[None].repeat(height, 0)
        stripes = 40 * np.sin(np.arange(width * height).reshape(height, width, 1) / (3 + number))
        pixels = np.clip(ground + stripes + random.normal(0, 25, (height, width, 3)), 0, 255).astype(np.uint8)
        files.append(folder / f"{number:02}.jpg")
        Image.fromarray(pixels).save(files[-1], quality=90)
    return files


@pytest.fixture(scope="module")
def ours(model, photographs):
    labels = load_classifier(model, device="cpu").metadata.labels
    found = [{one.label: one.probability for one in each.guesses} for each in predict(model, photographs, device="cpu")]
    return np.array([[each[label] for label in labels] for each in found])


def test_timm_on_the_published_folder_gives_the_probabilities_of_predict(model, photographs, ours, tmp_path):
    export_hub(model, tmp_path / "hub")
    network = timm.create_model(f"local-dir:{tmp_path / 'hub'}", pretrained=True).eval()
    transform = create_transform(**resolve_model_data_config(network), is_training=False)

    with torch.inference_mode():
        batch = torch.stack([transform(Image.open(file).convert("RGB")) for file in photographs])
        theirs = network(batch).softmax(1).numpy()

    assert np.abs(theirs - ours).max() < 0.01
    card = (tmp_path / "hub" / "README.md").read_text()
    assert "takes pixels, not the bytes of a file" in card
    assert "scale the whole so that its shorter side is 256 px (bicubic, antialiased), cut 224 x 224 px" in card


def pixels_as_the_file_says(file):
    image = Image.open(file).convert("RGB")
    scale = 256 / min(image.size)
    whole = image.resize([max(256, int(side * scale)) for side in image.size], Image.Resampling.BICUBIC)
    left, top = round((whole.width - 224) / 2), round((whole.height - 224) / 2)
    return np.asarray(whole.crop((left, top, left + 224, top + 224)), np.float32).transpose(2, 0, 1) / 255


def test_an_exported_graph_gives_the_probabilities_of_predict_and_says_what_it_takes(
    model, photographs, ours, tmp_path
):
    export_torch(model, tmp_path / "model.pt2")
    said = {"imgkit.json": ""}
    program = torch.export.load(tmp_path / "model.pt2", extra_files=said).module()

    theirs = program(torch.from_numpy(np.stack([pixels_as_the_file_says(file) for file in photographs])))

    assert np.abs(theirs.detach().numpy() - ours).max() < 0.01
    card = json.loads(said["imgkit.json"])
    assert card["input"].startswith("pixels, not the bytes of a file: float32 RGB in 0 to 1, (B, 3, 224, 224)")
    assert "its shorter side is 256 px (bicubic, antialiased), cut 224 x 224 px from the middle" in card["prepare"]


@pytest.mark.skipif(find_spec("onnxruntime") is None, reason="needs the extra export")
def test_an_onnx_file_gives_the_probabilities_of_predict(model, photographs, ours, tmp_path):
    import onnxruntime

    export_onnx(model, tmp_path / "model.onnx")
    session = onnxruntime.InferenceSession(tmp_path / "model.onnx")

    theirs = session.run(None, {"pictures": np.stack([pixels_as_the_file_says(file) for file in photographs])})[0]

    assert np.abs(theirs - ours).max() < 0.01
    assert "pixels, not the bytes" in session.get_modelmeta().custom_metadata_map["input"]
