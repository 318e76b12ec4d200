"""What `imgkit status` knows."""

from dataclasses import replace

from imgkit.manifest import Image, Item, Judgement, Proposal, Query, SearchState
from imgkit.manifest.summary import summarise


def picture(manifest, number):
    digest = f"{number:064x}"[::-1]
    image = Image(sha256=digest, stored_sha256=digest, extension="jpg", bytes=9, width=4, height=3)
    manifest.put_image(image)
    manifest.put_items([Item(label="a", image_id=image.id, width=4, height=3, file_sha256=digest)])
    return image.id


def searched(manifest, count):
    (query_id,) = manifest.put_queries([Query(label="a", name="A", text="words")])
    found = [Proposal(url=f"http://h/{n}", rank=n) for n in range(1, count + 1)]
    manifest.put_page(SearchState(query_id=query_id, provider="bing"), found, label="a", round_=1)


def test_an_empty_folder_says_how_to_begin(manifest):
    assert summarise(manifest).next_step == "Nothing is harvested yet. Run: imgkit harvest queries.csv"


def test_the_four_states_sum_to_what_was_found(manifest):
    searched(manifest, 5)
    one, two, *_ = manifest.candidates()
    image_id = picture(manifest, 1)
    manifest.settle([replace(one, state="kept", image_id=image_id), replace(two, state="rejected", reason="http.404")])

    (label,) = summarise(manifest).labels

    assert (label.found, label.kept, label.rejected, label.deferred, label.waiting) == (5, 1, 1, 0, 3)
    assert (label.harvested, label.unjudged) == (1, 1)


def test_suspects_call_for_a_review_and_a_clean_set_for_training(manifest):
    searched(manifest, 1)
    image_id = picture(manifest, 1)
    suspect = Judgement(label="a", image_id=image_id, verdict="suspect", reason="bad.label")
    manifest.replace_judgements([suspect])
    assert "imgkit curate --review" in summarise(manifest).next_step

    manifest.replace_judgements([replace(suspect, verdict="keep", reason="")])

    assert "imgkit train" in summarise(manifest).next_step
