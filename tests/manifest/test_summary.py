"""What `imgkit status` knows."""

from dataclasses import replace

from imgkit.manifest import Decision, Image, Item, Judgement, Proposal, Query, SearchState
from imgkit.manifest.summary import summarise
from item_counts import item_counts


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
    assert (
        summarise(manifest).next_step
        == f"Nothing is harvested yet. Run: imgkit harvest QUERIES.csv --data {manifest.folder.root}"
    )


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


def judged(manifest, count, **verdict):
    searched(manifest, 1)
    manifest.put_queries([Query(label="b", name="B", text="others")])
    ids = [picture(manifest, n + 1) for n in range(count)]
    manifest.replace_judgements(
        [Judgement(**{"label": "a", "image_id": one, "verdict": "keep"} | verdict) for one in ids]
    )
    return ids


def test_a_relabelled_picture_is_counted_in_the_set_under_its_new_label(manifest):
    one, two, _ = judged(manifest, 3)
    manifest.decide([Decision(label="a", image_id=one, action="relabel", to_label="b")])
    manifest.decide([Decision(label="a", image_id=two, action="reject")])

    a, b = summarise(manifest).labels

    assert (a.harvested, a.curated, a.moved_out, a.moved_in, a.set_aside, a.suspects, a.unjudged) == (
        3,
        1,
        1,
        0,
        1,
        0,
        0,
    )
    assert (b.harvested, b.curated, b.moved_out, b.moved_in, b.set_aside, b.suspects, b.unjudged) == (
        0,
        1,
        0,
        1,
        0,
        0,
        0,
    )
    assert summarise(manifest).decisions == 2


def test_a_suspect_that_the_policy_keeps_is_in_the_set_and_still_waits(manifest):
    judged(manifest, 2, verdict="suspect", reason="bad.label", included=True)

    a, _ = summarise(manifest).labels

    assert (a.curated, a.suspects, a.set_aside) == (2, 2, 0)


def test_copies_of_a_rejected_picture_are_set_aside_with_it(manifest):
    one, *_ = judged(manifest, 3, copies="group")
    manifest.decide([Decision(label="a", image_id=one, action="reject", reason="bad.offtopic")])

    a, _ = summarise(manifest).labels
    assert (a.curated, a.set_aside, summarise(manifest).decisions) == (0, 3, 1)
    assert [(c.state, c.reason, c.count) for c in item_counts(manifest)] == [("reject", "bad.offtopic", 3)]


def test_what_the_folder_holds_and_what_decisions_made_since_change_is_said(manifest):
    one, *_ = judged(manifest, 3, included=True, placed="a")
    manifest.folder.curated.mkdir(parents=True)
    assert (summarise(manifest).pending, summarise(manifest).labels[0].written) == (None, 3)

    manifest.decide([Decision(label="a", image_id=one, action="reject")])

    summary = summarise(manifest)
    assert summary.pending == "The curated folder holds 3 pictures; with the decisions made since it is 2."
    data = manifest.folder.root
    assert summary.next_step == f"The curated folder is not as decided. Run: imgkit curate --data {data}"


def test_decisions_about_pictures_that_are_gone_are_not_counted(manifest):
    one, *_ = judged(manifest, 1)
    manifest.decide([Decision(label="a", image_id=one, action="keep")])
    manifest.remove_items([("a", one)])

    assert (summarise(manifest).decisions, len(manifest.current_decisions())) == (0, 1)
