from pathlib import Path

import pytest

from imgkit.curate.checks import CHECKS
from imgkit.curate.judge import REASONS_OF, SUSPICIONS, in_set, judge
from imgkit.curate.pictures import Picture
from imgkit.manifest import Finding, Judgement
from imgkit.reasons import REASONS


def picture(image_id="a" * 20, label="coral"):
    return Picture(
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
        pytest.param(finding("offtopic", 3.5, threshold=3.0), "bad.offtopic", id="off-topic"),
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


@pytest.mark.parametrize("check", sorted(SUSPICIONS))
def test_suspicion_grows_with_the_score_and_stays_a_probability(check):
    suspicion = SUSPICIONS[check]

    assert suspicion.of(suspicion.even) == pytest.approx(0.5)
    assert suspicion.of(suspicion.sure) == pytest.approx(0.9)
    assert 0 <= suspicion.of(-1e6) < suspicion.of(suspicion.even) < suspicion.of(1e6) <= 1


def test_every_reason_is_on_the_closed_list():
    assert set(REASONS_OF) == set(SUSPICIONS) <= set(CHECKS)
    assert set(REASONS_OF.values()) <= set(REASONS)


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
