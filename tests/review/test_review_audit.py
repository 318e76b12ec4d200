"""The audit's interval is exact, its looks are fixed, and known bad pictures test the reviewer."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import hypergeom

from imgkit.curate.audit import (
    answers_of,
    as_text,
    draw,
    estimate,
    hypergeometric_counts,
    interim_sizes,
    last_interim,
    latest,
    noise_left,
    unseen_noise,
)
from imgkit.manifest import Audit, Question, ReviewAction, ReviewLog

SETS = 2000


@pytest.mark.parametrize(
    ("bad", "sampled", "low", "high"),
    [
        pytest.param(0, 100, 0.0, 3.6, id="none of 100: up to 3.6 %"),
        pytest.param(0, 300, 0.0, 1.2, id="none of 300: up to 1.2 %, never zero"),
        pytest.param(3, 300, 0.2, 2.9, id="3 of 300"),
        pytest.param(9, 300, 1.4, 5.6, id="9 of 300"),
        pytest.param(10, 1000, 0.5, 1.8, id="10 of 1000"),
    ],
)
def test_a_large_set_gets_the_interval_of_clopper_and_pearson(bad, sampled, low, high):
    finite = unseen_noise(bad=bad, sampled=sampled, unseen=1_000_000)

    assert (round(100 * finite.low, 1), round(100 * finite.high, 1)) == (low, high)


@pytest.mark.parametrize(
    ("bad", "sampled", "population"), [(0, 100, 400), (7, 100, 400), (3, 300, 20_000), (99, 100, 101)]
)
def test_the_ends_of_the_interval_are_where_scipy_s_tails_cross_the_line(bad, sampled, population):
    low, high = hypergeometric_counts(bad, sampled, population)

    def tail(count):
        return min(hypergeom.cdf(bad, population, count, sampled), hypergeom.sf(bad - 1, population, count, sampled))

    assert tail(low) >= 0.025
    assert tail(high) >= 0.025
    assert low == bad or tail(low - 1) < 0.025
    assert high == population - sampled + bad or tail(high + 1) < 0.025


def test_a_set_that_was_looked_at_whole_has_no_uncertainty():
    assert hypergeometric_counts(3, 50, 50) == (3, 3)
    assert noise_left(bad=3, sampled=50, unseen=50, kept=80).high == 0.0


def test_what_a_person_decided_about_before_the_audit_dilutes_the_noise():
    share = noise_left(bad=2, sampled=100, unseen=500, kept=1002)

    assert share.value == pytest.approx(0.02 * 400 / 1000)
    assert share.low == 0.0
    assert share.high == pytest.approx(30 / 1000)  # P(2 or fewer of 100 | 32 of 500 bad) = 0.028, with 33: 0.023


@pytest.mark.parametrize("sampled", [100, 300])
@pytest.mark.parametrize("unseen", [400, 20_000])
def test_the_interval_covers_the_true_rate_of_simulated_sets_at_least_94_times_in_100(sampled, unseen):
    chance = np.random.default_rng(20_000 + unseen + sampled)
    rates = chance.beta(1, 30, SETS)  # most sets have a few per cent of noise, some hardly any
    truths = chance.binomial(unseen, rates)
    found = chance.hypergeometric(truths, unseen - truths, sampled)

    bounds = {bad: hypergeometric_counts(int(bad), sampled, unseen) for bad in np.unique(found)}
    covered = sum(bounds[bad][0] <= truth <= bounds[bad][1] for truth, bad in zip(truths, found, strict=True))

    assert covered / SETS >= 0.94


@pytest.mark.parametrize("sampled", [100, 300])
def test_the_noise_left_in_the_set_is_covered_as_well(sampled):
    chance = np.random.default_rng(sampled)
    unseen, decided = 2_000, 500
    truths = chance.binomial(unseen, chance.beta(1, 30, SETS))
    found = chance.hypergeometric(truths, unseen - truths, sampled)

    shares = {
        bad: noise_left(bad=int(bad), sampled=sampled, unseen=unseen, kept=unseen + decided) for bad in np.unique(found)
    }
    covered = 0
    for truth, bad in zip(truths, found, strict=True):
        share, left = shares[bad], (truth - bad) / (unseen + decided - bad)
        covered += share.low - 1e-12 <= left <= share.high + 1e-12

    assert covered / SETS >= 0.94


def test_the_same_seed_asks_the_same_questions_and_none_twice():
    unseen = [("coral", f"{n:020x}") for n in range(500)]
    known_bad = [("king", f"{n:020x}") for n in range(1000, 1100)]

    questions = draw(unseen, known_bad, seed=7, size=300)

    assert questions == draw(list(reversed(unseen)), known_bad, seed=7, size=300)
    assert [one.trial for one in questions].count("sample") == 300
    assert [one.trial for one in questions].count("catch") == 15
    assert len({(one.label, one.image_id) for one in questions}) == 315


def test_the_trials_are_spread_over_the_whole_audit():
    unseen = [("coral", f"{n:020x}") for n in range(1000)]
    known_bad = [("king", f"{n:020x}") for n in range(2000, 2100)]

    questions = draw(unseen, known_bad, seed=3)

    thirds = [[one.trial for one in questions[n : n + 350]].count("catch") for n in (0, 350, 700)]
    assert min(thirds) >= 14


def test_a_small_set_is_looked_at_whole():
    assert interim_sizes(30) == (30,)
    assert interim_sizes(250) == (100, 200, 250)
    assert interim_sizes(0) == ()


def audit_of(sampled, catches=0, *, kept, unseen):
    questions = [Question(label="coral", image_id=f"s{n}", trial="sample") for n in range(sampled)]
    questions[10:10] = [Question(label="coral", image_id=f"c{n}", trial="catch") for n in range(catches)]
    return Audit(kept=kept, unseen=unseen, questions=tuple(questions))


def answers_to(audit, count, *, bad=(), unsure=()):
    said = {}
    for question in audit.questions[:count]:
        name = question.image_id
        said["coral", name] = "reject" if name in bad else "unsure" if name in unsure else "keep"
    return said


def test_between_two_looks_the_result_of_the_earlier_one_stands():
    audit = audit_of(300, kept=900, unseen=600)

    assert last_interim(audit, answers_to(audit, 99)) == 0
    assert last_interim(audit, answers_to(audit, 100)) == 100
    assert last_interim(audit, answers_to(audit, 199)) == 100
    assert estimate(audit, answers_to(audit, 99)) is None
    assert estimate(audit, answers_to(audit, 150, bad={"s120"})).bad == 0


def test_the_estimate_counts_the_sample_and_the_trials_apart():
    audit = audit_of(100, catches=5, kept=900, unseen=600)

    said = estimate(audit, answers_to(audit, 105, bad={"s3", "s4", "c0", "c1", "c2", "c3"}, unsure={"s5"}))

    assert (said.sampled, said.bad, said.unsure) == (99, 2, 1)
    assert (said.trials, said.trials_found, said.sensitivity) == (5, 4, 0.8)
    assert said.noise_left.value == pytest.approx(2 / 99 * 501 / 898)
    assert said.corrected == pytest.approx(said.noise_left.value / 0.8)


def test_without_trials_nothing_is_corrected():
    audit = audit_of(100, kept=900, unseen=600)

    said = estimate(audit, answers_to(audit, 100))

    assert (said.trials, said.sensitivity, said.corrected) == (0, None, None)
    assert said.noise_left.value == 0.0 < said.noise_left.high


def test_a_reviewer_who_misses_every_trial_gets_no_correction_that_hides_it():
    audit = audit_of(100, catches=4, kept=900, unseen=600)

    said = estimate(audit, answers_to(audit, 104))

    assert (said.sensitivity, said.corrected) == (0.0, None)


def answer(key, name, said, **values):
    return ReviewAction(
        key=key,
        reviewer="ada",
        mode="audit",
        kind="answer",
        label="coral",
        image_id=name,
        answer=said,
        audit=1,
        **values,
    )


def undo(key, target):
    return ReviewAction(key=key, reviewer="ada", mode="audit", kind="undo", undoes=target)


def test_an_answer_counts_until_it_is_taken_back_and_again_when_that_is_taken_back():
    log = [answer("k.1", "a", "keep"), answer("k.2", "b", "reject"), undo("k.3", "k.2")]

    assert answers_of(log, 1) == {("coral", "a"): "keep"}
    assert answers_of([*log, undo("k.4", "k.3")], 1) == {("coral", "a"): "keep", ("coral", "b"): "reject"}
    assert answers_of(log, 2) == {}


def test_a_folder_without_an_audit_has_no_estimate(manifest):
    assert latest(manifest) is None


def test_the_newest_audit_of_a_folder_in_words(manifest):
    log = ReviewLog(manifest)
    audit = audit_of(100, kept=900, unseen=600)
    number = log.put_audit(audit)
    for n, question in enumerate(audit.questions):
        said = answer(f"k.{n}", question.image_id, "reject" if n < 3 else "keep")
        log.append(replace(said, audit=number), [])

    assert as_text(latest(manifest)) == "1.7 % (0.2 to 5.0 %)"
