"""What the checks are given: the pictures and everything that was measured on them before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from imgkit.arrays import Float32Array, Int64Array
from imgkit.curate.checks import CHECKS
from imgkit.curate.config import CurateConfig
from imgkit.curate.copies.fingerprints import RECORD, Fingerprints
from imgkit.curate.copies.grouping import Copies
from imgkit.curate.pictures import ItemPicture
from imgkit.curate.ranking.reduced_features import ReducedFeatures
from imgkit.manifest import Finding, Judgement, Manifest, Outcome, Standing
from imgkit.manifest.nouns import ItemKey
from imgkit.manifest.outcomes import outcomes_of
from imgkit.vision.features.backbone import Backbone


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckContext:
    """N pictures with their measures, by index.

    ``features`` is (N, D), with rows of NaN for unreadable files, and None without a model, as ``backbone`` is.
    ``reduced`` are the same in few directions, from which decisions teach about other pictures.
    ``head_outputs`` is (N, H): the network's share of the log-odds of each head of ``textures``, NaN likewise.
    ``packaged`` is (N, D'), the plain features of the packaged network, and ``living`` (N,) the share, 0 to 1, of
    living things among the classes of ImageNet that it sees; None where that network was not run. ``network`` is that
    network, for its classes of ImageNet.
    ``found`` are the findings of the checks that ran before, by name of the check, and ``measured`` is what they fill
    as they run: (N,) scores of all pictures that they measured, however good, NaN for the others.
    ``copies_of_rejected`` names, for the index of a picture, the one of which it is a copy among those that a person
    rejected for their content and that have left the harvest since.
    """

    pictures: Sequence[ItemPicture]
    fingerprints: Fingerprints
    copies: Copies
    config: CurateConfig
    cache: Path
    features: Float32Array | None = None
    reduced: ReducedFeatures | None = None
    head_outputs: Float32Array | None = None
    packaged: Float32Array | None = None
    living: npt.NDArray[np.float64] | None = None
    network: Backbone | None = None
    backbone: Backbone | None = None
    found: Mapping[str, Sequence[Finding]] = field(default_factory=dict)
    measured: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)
    copies_of_rejected: Mapping[int, ItemPicture] = field(default_factory=dict)

    def with_found(self, found: Mapping[str, Sequence[Finding]]) -> "CheckContext":
        """Return the same context with these findings of earlier checks."""
        return replace(self, found=dict(found))

    def findings_of(self, check: str) -> Sequence[Finding]:
        """Return the findings of an earlier check, none where it was skipped.

        Raises:
            KeyError: there is no such check.
        """
        return self.found.get(CHECKS[check].name, ())

    def flagged(self, check: str) -> set[ItemKey]:
        """Return the items that an earlier check found at or above its threshold."""
        return {(one.label, one.image_id) for one in self.findings_of(check) if one.score >= one.threshold}

    def without_right_label(self) -> set[ItemKey]:
        """Return the items that earlier checks flagged as nothing that any label can be right for."""
        return {key for name, check in CHECKS.items() if check.no_example for key in self.flagged(name)}

    def group_names(self) -> list[str]:
        """Return for each picture the name of its group of copies and related pictures, "" when alone.

        A group is called after its earliest member in the harvest, so that later arrivals do not rename it.
        """
        names = [""] * len(self.pictures)
        for group in self.copies.related:
            name = min((self.pictures[one] for one in group), key=lambda picture: picture.order).image_id
            for one in group:
                names[one] = name
        return names

    def copies_of(self) -> list[tuple[str, int]]:
        """Return for each picture the name of its group of copies and its rank there, ("", 0) when alone.

        A group is called after its earliest member in the harvest.
        """
        found = [("", 0)] * len(self.pictures)
        for group in self.copies.ranked:
            name = min((self.pictures[one] for one in group), key=lambda picture: picture.order).image_id
            for rank, one in enumerate(group):
                found[one] = (name, rank)
        return found

    def as_decided(self) -> "CheckContext":
        """Return the same context in which the copies of a picture follow what people decided about its content."""
        places = zip(self.pictures, self.copies_of(), strict=True)
        outcomes = outcomes_of(
            Standing(*picture.key, "keep", "", included=True, copies=name, rank=rank, decision=picture.decision)
            for picture, (name, rank) in places
        )
        return replace(self, pictures=[_as_decided(picture, outcomes[picture.key]) for picture in self.pictures])

    def judged_by_features(self) -> Int64Array:
        """Return the indices of the pictures that the model is asked about: one of each group of copies, readable,
        with features, not under several labels and not rejected by a person.
        """
        if self.features is None:
            return np.zeros(0, np.int64)
        left_out = {one for group, best in zip(self.copies.near, self.copies.best, strict=True) for one in group}
        left_out -= set(self.copies.best)
        conflicts = {(one.label, one.image_id) for one in self.findings_of("conflict")}
        return np.array(
            [
                index
                for index, picture in enumerate(self.pictures)
                if index not in left_out
                and picture.key not in conflicts
                and not picture.rejected_by_person
                and np.isfinite(self.features[index, 0])
            ],
            dtype=np.int64,
        )

    def rejected_with_features(self) -> Int64Array:
        """Return the indices of readable pictures that a person found bad, copies not counted; relearning uses
        them as examples."""
        return np.array(
            [
                index
                for index, picture in enumerate(self.pictures)
                if picture.found_bad_by_person
                and not picture.follows
                and self.features is not None
                and np.isfinite(self.features[index, 0])
            ],
            dtype=np.int64,
        )


def _as_decided(picture: ItemPicture, outcome: Outcome) -> ItemPicture:
    if outcome.by == "person":
        return replace(picture, label_now=outcome.label, decision=outcome.decision, follows=outcome.follows)
    return replace(picture, label_now=outcome.label, decision=None, follows=False)


def as_judged(
    manifest: Manifest, pictures: Sequence[ItemPicture], judgements: Sequence[Judgement], config: CurateConfig
) -> CheckContext:
    """Return what the last curate left about N pictures: groups and findings, without measures; as people decided.

    Args:
        manifest: holds the findings.
        pictures: N pictures that were judged, with their own decisions.
        judgements: their N verdicts.
        config: of this curate.
    """
    keys = {one.key for one in pictures}
    found: dict[str, list[Finding]] = {}
    for finding in manifest.findings():
        if (finding.label, finding.image_id) in keys:
            found.setdefault(finding.check, []).append(finding)
    near = _groups_by([one.copies for one in judgements])
    ranked = tuple(tuple(sorted(group, key=lambda one: judgements[one].rank)) for group in near)
    related = _groups_by([one.group for one in judgements])
    context = CheckContext(
        pictures=pictures,
        fingerprints=np.zeros(len(pictures), RECORD),
        copies=Copies(
            same=(), near=near, related=related, pairs=(), best=tuple(group[0] for group in ranked), ranked=ranked
        ),
        config=config,
        cache=manifest.folder.cache,
        found=found,
    )
    return context.as_decided()


def _groups_by(names: Sequence[str]) -> tuple[tuple[int, ...], ...]:
    """Return the indices that share a name other than "", each group sorted, by first member."""
    groups: dict[str, list[int]] = {}
    for index, name in enumerate(names):
        if name:
            groups.setdefault(name, []).append(index)
    return tuple(tuple(group) for group in groups.values())
