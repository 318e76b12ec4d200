import itertools
from dataclasses import replace
from pathlib import Path

import pytest

from imgkit.curate.checks import CHECK_REASONS, CHECKS, describe
from imgkit.curate.checks.check import (
    OUT_FROM,
    SHOWN_FROM,
    log_odds_of,
    probability_as_suspicion,
    suspicion_as_probability,
)
from imgkit.curate.pictures import ItemPicture
from imgkit.curate.verdicts import in_set, judge, with_copies
from imgkit.manifest import Finding, Judgement
from imgkit.reasons import REASONS


def picture(image_id="a" * 20, label="coral"):
    return ItemPicture(
        label=label,
        image_id=image_id,
        path=Path("x.jpg"),
        file_sha256="0" * 64,
        sha256="0" * 64,
        width=100,
        height=100,
        bytes=1000,
        label_now=label,
    )


def finding(check, score, *, threshold=0.5, **detail):
    return Finding(label="coral", image_id="a" * 20, check=check, score=score, threshold=threshold, detail=detail)


def verdict_on(*findings):
    return judge([picture()], {one.check: [one] for one in findings}, [""])[0]


def test_a_picture_without_findings_is_kept():
    assert verdict_on().verdict == "keep"


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        pytest.param(finding("readable", 1.0, threshold=1.0, missing=True), "img.truncated", id="missing file"),
        pytest.param(finding("exact", 1.0, copy_of="b", copy_of_label="coral"), "dup.exact", id="exact copy"),
        pytest.param(finding("near", 0.9, copy_of="b", copy_of_label="coral"), "dup.near", id="near copy"),
        pytest.param(finding("quality", 2.0, threshold=1.0, measured={"flat": 0.1}), "img.blank", id="flat"),
        pytest.param(
            finding("conflict", 1.0, labels=["coral", "king"], decided=["king"]), "bad.conflict", id="settled"
        ),
    ],
)
def test_certain_findings_reject(found, reason):
    judgement = verdict_on(found)

    assert (judgement.verdict, judgement.reason) == ("reject", reason)


@pytest.mark.parametrize(
    ("found", "reason"),
    [
        pytest.param(finding("label", 0.8, suggested="king"), "bad.label", id="label"),
        pytest.param(finding("junk", 0.0, threshold=-2.2, reason="bad.offtopic"), "bad.offtopic", id="off-topic"),
        pytest.param(finding("quality", 4.0, threshold=1.0, measured={"blurred": 9.0}), "bad.quality", id="quality"),
        pytest.param(finding("conflict", 1.0, labels=["coral", "king"], decided=[]), "bad.conflict", id="conflict"),
        pytest.param(finding("readable", 0.3, threshold=0.05, missing_share=0.3), "img.truncated", id="damaged"),
        pytest.param(
            finding("placeholder", 1.0, labels=["coral", "king"], addresses=4), "img.placeholder", id="served"
        ),
    ],
)
def test_uncertain_findings_make_suspects(found, reason):
    judgement = verdict_on(found)

    assert (judgement.verdict, judgement.reason) == ("suspect", reason)


def test_a_finding_below_its_threshold_makes_no_suspect():
    assert verdict_on(finding("label", 0.4, suggested="king")).verdict == "keep"


def test_a_copy_is_a_copy_whatever_else_is_said_about_it():
    judgement = verdict_on(finding("near", 0.9, copy_of="b", copy_of_label="coral"), finding("label", 0.99))

    assert judgement.reason == "dup.near"


def test_the_most_certain_check_names_the_reason_and_carries_its_suggestion():
    judgement = verdict_on(finding("offtopic", 3.0, threshold=3.0), finding("label", 0.95, suggested="king"))

    assert (judgement.reason, judgement.suggested) == ("bad.label", "king")


SCALES = {name: check.scale for name, check in CHECKS.items() if check.scale}


@pytest.mark.parametrize("check", sorted(SCALES))
def test_suspicion_grows_with_the_score_and_stays_a_probability(check):
    suspicion = SCALES[check]

    assert suspicion.of(suspicion.even) == pytest.approx(0.5)
    assert suspicion.of(suspicion.sure) == pytest.approx(0.9)
    assert 0 <= suspicion.of(-1e6) < suspicion.of(suspicion.even) < suspicion.of(1e6) <= 1


def test_every_reason_is_on_the_closed_list():
    assert set(CHECK_REASONS) <= set(REASONS)
    assert {"img.truncated", "dup.near", "bad.conflict", "bad.label"} <= set(CHECK_REASONS)


@pytest.mark.parametrize(
    ("policy", "score", "inside"),
    [("strict", 0.55, False), ("suggest", 0.55, True), ("suggest", 0.95, False), ("keep", 0.95, True)],
)
def test_the_policy_decides_about_suspects(policy, score, inside):
    suspect = Judgement(label="coral", image_id="a", verdict="suspect", reason="bad.label", score=score)

    assert in_set(policy)(suspect) is inside


CONFLICT = finding("conflict", 1.0, labels=["coral", "king"], decided=[])


@pytest.mark.parametrize(
    ("label", "policy", "inside"),
    [
        ("coral", "suggest", True),
        ("coral", "keep", True),
        ("coral", "strict", False),
        ("king", "suggest", False),
        ("king", "keep", False),
    ],
)
def test_a_picture_under_two_labels_is_in_the_set_under_the_one_that_its_neighbours_have(label, policy, inside):
    judgement = verdict_on(CONFLICT, finding("side", 0.97, threshold=0.9, belongs_to=label))

    assert (judgement.verdict, judgement.reason) == ("suspect", "bad.conflict")
    assert judgement.suggested == ("" if label == "coral" else "king")
    assert in_set(policy)(judgement) is inside


@pytest.mark.parametrize("policy", ["strict", "suggest", "keep"])
def test_a_placeholder_is_never_in_the_set_undecided(policy):
    placeholder = verdict_on(finding("placeholder", 1.0, labels=["coral", "king"], addresses=4))

    assert not in_set(policy)(placeholder)


@pytest.mark.parametrize("policy", ["strict", "suggest", "keep"])
def test_a_picture_under_two_labels_is_never_in_the_set_undecided(policy):
    conflict = Judgement(label="coral", image_id="a", verdict="suspect", reason="bad.conflict", score=1.0)

    assert not in_set(policy)(conflict)


def test_at_home_means_the_label_that_a_person_gave():
    """Found under coral, moved to king by a person: king is its home, coral is not."""
    moved = replace(picture(), label_now="king")
    found = {"conflict": [CONFLICT]}

    def judged(belongs_to):
        side = finding("side", 0.97, threshold=0.9, belongs_to=belongs_to)
        return judge([moved], found | {"side": [side]}, [""])[0]

    assert (judged("king").score, judged("king").suggested) == (0.03, "")
    assert (judged("coral").score, judged("coral").suggested) == (1.0, "coral")


@pytest.mark.parametrize(
    ("check", "score", "suspicion"),
    [
        ("readable", 0.02, 0.5), ("readable", 0.05, 0.9), ("label", 0.45, 0.5), ("label", 0.6, 0.9),
        ("quality", 2.0, 0.5), ("quality", 8.0, 0.9), ("junk", -2.1972, 0.5), ("junk", 0.4055, 0.9),
    ],
)  # fmt: skip
def test_the_scales_of_suspicion(check, score, suspicion):
    assert round(SCALES[check].of(score), 4) == suspicion


@pytest.mark.parametrize(("score", "inside"), [(0.8999, True), (0.9, False)])
def test_a_suspect_of_nine_in_ten_is_left_out(score, inside):
    suspect = Judgement(label="coral", image_id="a", verdict="suspect", reason="bad.label", score=score)

    assert in_set("suggest")(suspect) is inside


@pytest.mark.parametrize(("score", "inside"), [(0.1, True), (0.1001, False)])
@pytest.mark.parametrize("policy", ["suggest", "keep"])
def test_a_picture_under_two_labels_needs_nine_in_ten_of_the_votes(policy, score, inside):
    conflict = Judgement(label="coral", image_id="a", verdict="suspect", reason="bad.conflict", score=score)

    assert in_set(policy)(conflict) is inside


def test_what_is_kept_carries_its_largest_suspicion_and_what_is_clean_none():
    doubted = verdict_on(finding("label", 0.4), finding("offtopic", 3.0, threshold=3.5))

    assert (doubted.verdict, doubted.score, doubted.reason, doubted.check) == ("keep", 0.3247, "", "")
    assert verdict_on().score == 0.0


def test_what_a_person_decided_about_others_moves_the_suspicions_of_all_checks_but_its_own():
    learnt = finding("junk", -1000.0, threshold=9.0, learnt=2.0)

    assert verdict_on(finding("label", 0.45, threshold=0.4), learnt).score == 0.8808
    assert verdict_on(replace(learnt, score=-2.1972246, threshold=-3.0)).score == 0.5


def test_of_checks_that_are_equally_certain_the_last_by_name_speaks():
    judgement = verdict_on(finding("quality", 8.0, threshold=1.0), finding("label", 0.6))

    assert judgement.check == "quality"
    assert judgement.probability == pytest.approx(1 - 0.4 * 0.4)  # each is right in six of ten
    assert judgement.score == 0.9628


def test_junk_is_called_what_its_loudest_detector_calls_it():
    assert verdict_on(finding("junk", 2.0, threshold=1.0, reason="bad.not_photo")).reason == "bad.not_photo"
    assert verdict_on(finding("junk", 2.0, threshold=1.0)).reason == "bad.offtopic"


def test_findings_are_of_one_label_and_groups_of_one_place():
    coral, king = picture(), picture(label="king")
    found = {"label": [finding("label", 0.8)]}

    assert [one.verdict for one in judge([coral, king], found, ["g", ""])] == ["suspect", "keep"]
    assert [one.group for one in judge([coral, king], found, ["g", ""])] == ["g", ""]


@pytest.mark.parametrize(
    ("first", "second"),
    list(itertools.pairwise(("readable", "exact", "near", "placeholder", "conflict", "quality"))),
)
def test_of_certain_findings_the_earlier_one_is_the_reason(first, second):
    details = {
        "readable": {"missing": True}, "exact": {"copy_of": "b", "copy_of_label": "coral"},
        "near": {"copy_of": "b", "copy_of_label": "coral"}, "placeholder": {"labels": ["a", "b", "c"], "addresses": 3},
        "conflict": {"labels": ["a", "b"], "decided": ["b"]}, "quality": {"measured": {"flat": 0.1}},
    }  # fmt: skip
    both = [finding(name, 1.0, **details[name]) for name in (second, first)]

    assert verdict_on(*both).check == first


@pytest.mark.parametrize("policy", ["strict", "suggest", "keep"])
def test_what_is_kept_is_in_the_set_and_what_is_rejected_is_not_whatever_the_policy(policy):
    kept, rejected = verdict_on(), verdict_on(finding("exact", 1.0, copy_of="b", copy_of_label="coral"))

    assert [in_set(policy)(one) for one in (kept, rejected)] == [True, False]


def test_the_suspicion_of_a_suspect_has_four_digits():
    assert verdict_on(finding("label", 0.5, suggested="king")).score == 0.6753


@pytest.mark.parametrize(
    ("learnt", "suspicion"), [(-2.0, 0.1192), (1000.0, 1.0), (-1000.0, 0.0), (0.0, 0.5), (None, 0.5), (3, 0.5)]
)
def test_what_was_learnt_multiplies_the_odds_and_has_limits(learnt, suspicion):
    junk = finding("junk", -1000.0, threshold=9.0, learnt=learnt)

    assert verdict_on(finding("label", 0.45, threshold=0.4), junk).score == suspicion


@pytest.mark.parametrize(
    ("check", "score", "detail", "words"),
    [
        ("readable", 0.3, {"missing_share": 0.3}, "30% of it is one grey band, as where a cut JPEG ends"),
        ("readable", 1.0, {"missing": True}, "the file is gone"),
        ("readable", 1.0, {}, "the file cannot be decoded"),
        ("exact", 1.0, {"copy_of": "b", "copy_of_label": "king"}, "the same pixels as king/b"),
        ("near", 1.0, {"copy_of": "b", "copy_of_label": "king"}, "copy of king/b"),
        ("near", 1.0, {"copy_of": "b", "copy_of_label": "king", "orientation": 1}, "mirrored copy of king/b"),
        ("near", 1.0, {"copy_of": "b", "copy_of_label": "king", "orientation": 2}, "upside-down copy of king/b"),
        ("near", 1.0, {"copy_of": "b", "copy_of_label": "king", "orientation": "?"}, "copy of king/b"),
        ("near", 1.0, {"copy_of": "b", "copy_of_label": "king", "angle": -7}, "copy turned by 7° of king/b"),
        ("near", 1.0, {"copy_of": "b", "copy_of_label": "king", "area": 0.969}, "cropped or framed copy of king/b"),
        ("near", 1.0, {"copy_of": "b", "copy_of_label": "king", "area": 0.97}, "copy of king/b"),
        ("conflict", 1.0, {"labels": ["coral", "king"]}, "the same picture under coral and king"),
        ("conflict", 1.0, {"labels": "coral"}, "the same picture under "),
        ("side", 0.97, {"belongs_to": "king"}, "all its neighbours are king (97% of the votes)"),
        ("placeholder", 1.0, {"labels": ["a", "b"], "addresses": 4}, "one picture from 4 addresses under a and b"),
        ("leak", 1.0, {"splits": ["train", "test"]}, "copies in train and test of the split that the folders say"),
        ("quality", 2.0, {"measured": {"blurred": 9.0, "small": 0.25}}, "blurred (9), small (0.25)"),
        ("quality", 2.0, {}, ""),
        ("offtopic", 4.26, {"nearest_label": "king"}, "far from every label, least from king (4.3 deviations)"),
        (
            "art", 1.0, {"plain_ground": 0.3},
            "on plain ground, looks like a figurine, toy, render or drawing (log-odds 1.0)",
        ),
        ("art", 1.0, {"plain_ground": 0.29}, "looks like a figurine, toy, render or drawing (log-odds 1.0)"),
        ("art", 1.0, {"plain_ground": 1}, "looks like a figurine, toy, render or drawing (log-odds 1.0)"),
        ("art", 1.0, {}, "looks like a figurine, toy, render or drawing (log-odds 1.0)"),
        ("not_photo", 3.0, {}, "drawn, painted or rendered (log-odds 3.0)"),
        ("text", 3.0, {}, "text, a cover or a collage (log-odds 3.0)"),
        ("junk", 2.0, {}, "unlike its label (log-odds 2.0)"),
        (
            "junk", 2.0, {"said": {"not_photo": 1.0, "text": 4.0, "offtopic": 5.0, "art": 0.99}, "learnt": 1.0},
            "far from every label; text, a cover or a collage; drawn, painted or rendered (log-odds 2.0, "
            "by what was decided about others)",
        ),
        ("junk", 2.0, {"learnt": 0.99}, "unlike its label (log-odds 2.0)"),
        (
            "label", 0.8, {"suggested": "king", "probability": 0.81, "own_probability": 0.04},
            "looks like king (81%, own label 4%)",
        ),
        ("label", 0.8, {"suggested": "king"}, "looks like king (?, own label ?)"),
        ("of another version", 0.8, {}, ""),
    ],
)  # fmt: skip
def test_a_finding_in_words(check, score, detail, words):
    assert describe(finding(check, score, **detail)) == words


@pytest.mark.parametrize(
    ("probability", "verdict", "inside"),
    [(0.0999, "keep", True), (0.1001, "suspect", True), (0.599, "suspect", True), (0.6001, "suspect", False)],
)
def test_a_picture_is_shown_from_one_in_ten_and_left_out_from_six_in_ten(probability, verdict, inside):
    judgement = verdict_on(finding("junk", log_odds_of(probability), threshold=log_odds_of(SHOWN_FROM)))

    assert (judgement.verdict, in_set("suggest")(judgement)) == (verdict, inside)
    assert judgement.probability == pytest.approx(probability)


def test_a_probability_is_never_0_or_1_and_one_that_nothing_is_known_about_is_one_in_fifty():
    surely, never = (verdict_on(finding("junk", score, threshold=0.0)).probability for score in (1e6, -1e6))

    assert (surely, never) == (1 - 1e-9, 1e-9)
    assert verdict_on().probability == 0.02
    assert verdict_on(finding("label", 0.1)).probability == 0.02


@pytest.mark.parametrize("suspicion", [0.001, 0.3, 0.5, 0.9, 0.999])
def test_a_suspicion_and_its_probability_stand_for_each_other(suspicion):
    assert probability_as_suspicion(suspicion_as_probability(suspicion)) == pytest.approx(suspicion)
    assert [suspicion_as_probability(one) for one in (0.5, 0.9)] == pytest.approx([SHOWN_FROM, OUT_FROM])


def test_copies_have_the_probability_of_the_best_of_their_group_but_for_what_is_said_of_their_label():
    best, copy, conflict = (
        replace(verdict_on(), image_id=name, probability=chance, why=name, check=check)
        for name, chance, check in (("best", 0.7, ""), ("copy", 0.1, ""), ("two labels", 0.9, "conflict"))
    )

    found = with_copies([copy, best, conflict], [(1, 0, 2)])

    assert [(one.image_id, one.probability, one.why) for one in found] == [
        ("copy", 0.7, "best"), ("best", 0.7, "best"), ("two labels", 0.9, "two labels"),
    ]  # fmt: skip


def test_the_reason_in_words_names_three_at_most_the_strongest_first():
    judgement = verdict_on(
        finding("junk", 3.0, threshold=-2.0, said={"art": 1.5, "text": 2.5, "words": 3.5, "offtopic": 0.9}, learnt=1.0),
        finding("words", 2.4, threshold=2.0, found=["clip art"], where=["title"]),
    )

    assert judgement.why == (
        "title says “clip art”; text, a cover or a collage; looks like a figurine, toy, render or drawing"
    )
