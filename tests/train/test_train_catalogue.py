import pytest

from imgkit.errors import UsageError
from imgkit.models.catalogue import RECOMMENDED, catalogue


def test_without_a_pattern_the_recommended_networks_are_listed_and_the_installed_weights_are_found(tmp_path):
    found = catalogue(hub_cache=tmp_path)

    assert [each.name for each in found.models][: len(RECOMMENDED)] == list(RECOMMENDED)
    lite0 = found.models[0]
    assert (lite0.name, lite0.here, lite0.size, lite0.parameters) == (
        "tf_efficientnet_lite0",
        "installed",
        224,
        4_652_008,
    )
    assert lite0.weight_bytes > 15_000_000
    assert {each.here for each in found.models[1:] if each.name in RECOMMENDED} == {"no"}


def test_weights_that_were_downloaded_once_are_found_in_the_hubs_cache(tmp_path):
    repository = tmp_path / "models--timm--test_vit.r160_in1k"
    snapshot = repository / "snapshots" / "0123abc"
    snapshot.mkdir(parents=True)
    (snapshot / "model.safetensors").write_bytes(b"0" * 1000)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text("0123abc")

    (found,) = catalogue(["test_vit.r160_in1k"], only_here=True, hub_cache=tmp_path).models

    assert (found.here, found.weight_bytes, found.fixed) == ("hub cache", 1000, True)


def test_a_pattern_finds_names_and_the_rest_is_counted(tmp_path):
    found = catalogue(["convnext_tiny"], most=2, hub_cache=tmp_path)

    assert [each.name.startswith("convnext_tiny") for each in found.models] == [True, True]
    assert found.more > 3


def test_a_network_without_one_linear_layer_at_its_end_is_marked(tmp_path):
    (found,) = catalogue(["caformer_s18.sail_in1k"], most=1, hub_cache=tmp_path).models

    assert not found.usable


def test_a_pattern_without_a_match_is_one_sentence(tmp_path):
    with pytest.raises(UsageError, match="no model with pretrained weights matches nothing_like_this"):
        catalogue(["nothing_like_this"], hub_cache=tmp_path)
