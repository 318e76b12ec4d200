"""The page, the server and the curated folder agree on what is in the set, copies and all."""

import itertools
import random
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from page_scripts import answers, copied
from reviewing import Builder

from imgkit.curate.config import CurateConfig
from imgkit.curate.pipeline import write_decided
from imgkit.curate.review.messages import DecisionChange, Posted
from imgkit.curate.review.service import ReviewService
from imgkit.curate.verdicts import in_set
from imgkit.manifest import Decision, Judgement, Manifest, Standing
from imgkit.manifest.outcomes import is_about_content, outcomes_of

LABELS = ("coral_snake", "king_snake", "milk_snake")
VERDICTS = (
    ("keep", "", ""),
    ("suspect", "bad.offtopic", "offtopic"),
    ("suspect", "bad.conflict", "conflict"),
    ("suspect", "dup.near", "near"),
    ("reject", "dup.near", "near"),
    ("reject", "dup.exact", "exact"),
    ("reject", "img.blank", "quality"),
    ("reject", "img.truncated", "readable"),
)
REASONS = ("", "user.rejected", "bad.offtopic", "bad.label", "dup.near", "bad.conflict")


def random_case(chance):
    """Standings of some pictures with random verdicts, groups and decisions."""
    found = []
    for n in range(chance.randrange(1, 10)):
        verdict, reason, check = chance.choice(VERDICTS)
        one = Standing(
            label=chance.choice(LABELS),
            image_id=f"{chance.choice((n, 0)):020x}",
            verdict=verdict,
            reason=reason,
            included=verdict == "keep" or (verdict == "suspect" and chance.random() < 0.5),
            usable=check != "readable",
            copies=chance.choice(("", "a", "b")),
            rank=chance.randrange(4),
        )
        found.append(one)
    by_key = {one.key: one for one in found if one.image_id != f"{0:020x}"}
    twins = [one._replace(copies="a") for one in found if one.image_id == f"{0:020x}"]
    found = sorted((by_key | {one.key: one for one in twins}).values())
    order = list(range(1, len(found) + 1))
    chance.shuffle(order)
    return [
        one._replace(decision=random_decision(chance, one, id_) if chance.random() < 0.6 else None)
        for one, id_ in zip(found, order, strict=True)
    ]


def random_decision(chance, one, id_):
    action = chance.choice(("keep", "reject", "relabel"))
    return Decision(
        label=one.label,
        image_id=one.image_id,
        action=action,
        reason=chance.choice(REASONS) if action == "reject" else "",
        to_label=chance.choice(LABELS) if action == "relabel" else "",
        id=id_,
    )


def as_page(standings):
    """A case as the page gets it: columns of a listing, and marks by row."""
    groups, reasons = sorted({one.copies for one in standings} - {""}), sorted({one.reason for one in standings})
    count = len(standings)
    columns = {
        "rows": count,
        "checks": [""],
        "reasons": reasons,
        "groups": len(groups),
        "providers": [""],
        "words": {},
        "id": "".join(one.image_id for one in standings),
        "label": [LABELS.index(one.label) for one in standings],
        **{name: [0] * count for name in ("provider", "width", "height", "bytes", "check", "score")},
        "reason": [reasons.index(one.reason) for one in standings],
        "suggested": [-1] * count,
        "group": [groups.index(one.copies) if one.copies else -1 for one in standings],
        "rank": [one.rank for one in standings],
        "probability": [0.5 for _ in standings],
        "verdict": "".join(one.verdict[0] for one in standings),
        "in_set": "".join("1" if one.included else "0" for one in standings),
        "usable": "".join("1" if one.usable else "0" for one in standings),
    }
    marks = [
        [
            row,
            {
                "action": ("", "keep", "reject", "relabel").index(one.decision.action),
                "reason": one.decision.reason,
                "to": LABELS.index(one.decision.to_label) if one.decision.to_label else -1,
                "order": one.decision.id,
            },
        ]
        for row, one in enumerate(standings)
        if one.decision is not None
    ]
    return {"columns": columns, "marks": marks}


def test_the_page_and_the_server_say_the_same_about_every_picture(tmp_path):
    chance = random.Random(7)
    cases = [random_case(chance) for _ in range(1500)]

    told = answers(copied(tmp_path), "outcomes.mjs", [as_page(case) for case in cases])

    for case, page in zip(cases, told, strict=True):
        found = outcomes_of(case)
        for one, shown in zip(case, page, strict=True):
            here = found[one.key]
            placed = LABELS[shown["placed"]] if shown["placed"] >= 0 else ""
            of = case[shown["of"]].key if shown["of"] >= 0 else None
            follows = (here.decision.label, here.decision.image_id) if here.follows else None
            assert (placed, LABELS[shown["label"]], shown["state"], shown["reason"], shown["by"], of) == (
                here.placed, here.label, here.state, here.reason, here.by, follows,
            ), (one, case)  # fmt: skip


NUMBERS = itertools.count(1)


def posted(kind, *changes, at="", undoes=""):
    return Posted(
        key=f"sessionx.{next(NUMBERS)}", kind=kind, mode="suspects", at=at, dwell_ms=400, changes=changes,
        undoes=undoes, audit=None, answer="",
    )  # fmt: skip


STEPS = st.lists(
    st.tuples(
        st.sampled_from(("reject", "reject", "keep", "relabel", "undo", "redo")),
        st.integers(0, 9),
        st.sampled_from(REASONS),
        st.integers(0, 2),
    ),
    min_size=1,
    max_size=8,
)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    builder = Builder(tmp_path_factory.mktemp("copies") / "data")
    for n in range(10):
        builder.add(LABELS[n % 3])
    return builder


def judged(keys, chance):
    """Random verdicts with random groups of copies, each of which has a best member."""
    found = []
    for key in keys:
        copies = chance.choice(("", "a", "b"))
        verdict, reason, check = chance.choice(VERDICTS[:3]) if not copies else ("keep", "", "")
        found.append(
            Judgement(
                label=key[0],
                image_id=key[1],
                verdict=verdict,
                reason=reason,
                check=check,
                copies=copies,
                score=chance.choice((0.5, 0.95)),
                rank=chance.randrange(9),
                detail=f"example {next(NUMBERS)}",
            )
        )
    for group in ("a", "b"):
        for label in LABELS:
            members = sorted((one for one in found if one.copies == group and one.label == label), key=lambda o: o.rank)
            for one in members[1:]:
                found[found.index(one)] = replace(one, verdict="reject", reason="dup.near", check="near")
    return found


@given(st.integers(0, 10**6), STEPS)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture]
)
def test_the_number_that_the_page_announces_is_the_number_of_files_written(pictures, seed, steps):
    config = CurateConfig(data=pictures.data)
    with Manifest.open(pictures.data) as manifest:
        for one in manifest.current_decisions().values():
            manifest.decide([Decision(label=one.label, image_id=one.image_id, action="undo", undoes=one.id)])
        manifest.replace_judgements(judged(pictures.keys, random.Random(seed)))
        service = ReviewService(manifest, reviewer="ada", in_set=in_set("suggest"))
        references = [f"{service.listing.labels.index(label)}.{image_id}" for label, image_id in service.listing.row]
        done = []
        for action, n, reason, to in steps:
            if action in ("undo", "redo"):
                if done:
                    taken = posted("undo", undoes=done[-1], at=references[n])
                    service.take([taken])
                    done[-1] = taken.key
                continue
            change = DecisionChange(
                action=action, reason=reason if action == "reject" else "", to=to if action == "relabel" else -1,
                items=(references[n],),
            )  # fmt: skip
            one = posted("decide", change, at=references[n])
            service.take([one])
            done.append(one.key)
        announced = service.in_set_count()

        # other verdicts than those of the example before: a set that shrinks by more than half is asked about
        report = write_decided(config, confirm=lambda _: True)

        files = sorted(path.parent.name + "/" + path.stem for path in manifest.folder.curated.glob("*/*.jpg"))
        assert len(files) == announced == report.totals["in_set"] == sum(manifest.written_counts().values())
        in_force, copies = manifest.current_decisions(), manifest.judgements()
        for group in ("a", "b"):
            own = [one for key, one in in_force.items() if copies[key].copies == group and is_about_content(one)]
            last = max(own, key=lambda one: one.id, default=None)
            if last is not None and last.action == "reject":
                placed = [key for key, one in copies.items() if one.copies == group and one.placed]
                assert all(key in in_force and key[0] != last.label for key in placed)
