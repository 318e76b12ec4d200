"""What the checks are given: the pictures and everything that was measured on them before."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt

from imgkit.curate.config import CurateConfig
from imgkit.curate.duplicates import Copies
from imgkit.curate.fingerprints import Fingerprints
from imgkit.curate.pictures import Key, Picture
from imgkit.manifest import Finding
from imgkit.vision.backbone import Backbone

Floats = npt.NDArray[np.float32]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """N pictures with their measures, by index.

    ``features`` is (N, D), with rows of NaN for unreadable files, and None without a model, as ``backbone`` is.
    ``looks`` is (N, H): what each head of ``vision.textures`` reads in the packaged network, NaN likewise.
    ``found`` are the findings of the checks that ran before, by name of the check, and ``measured`` is what they fill
    as they run: (N,) scores of all pictures that they measured, however good, NaN for the others.
    """

    pictures: Sequence[Picture]
    fingerprints: Fingerprints
    copies: Copies
    config: CurateConfig
    cache: Path
    features: Floats | None = None
    looks: Floats | None = None
    backbone: Backbone | None = None
    found: Mapping[str, Sequence[Finding]] = field(default_factory=dict)
    measured: dict[str, npt.NDArray[np.float64]] = field(default_factory=dict)

    def with_found(self, found: Mapping[str, Sequence[Finding]]) -> "Evidence":
        """Return the same evidence with these findings of earlier checks."""
        return replace(self, found=dict(found))

    def flagged(self, check: str) -> set[Key]:
        """Return the items that an earlier check found at or above its threshold."""
        return {(one.label, one.image_id) for one in self.found.get(check, ()) if one.score >= one.threshold}

    def group_names(self) -> list[str]:
        """Return for each picture the name of its group of copies and kin, "" when alone.

        A group is called after its earliest member in the harvest, so that later arrivals do not rename it.
        """
        names = [""] * len(self.pictures)
        for group in self.copies.kin:
            name = min((self.pictures[one] for one in group), key=lambda picture: picture.order).image_id
            for one in group:
                names[one] = name
        return names

    def judged_by_features(self) -> Indices:
        """Return the indices of the pictures that the model is asked about: one of each group of copies, readable,
        with features, not under several labels and not rejected by a person.
        """
        if self.features is None:
            return np.zeros(0, np.int64)
        left_out = {one for group, best in zip(self.copies.near, self.copies.best, strict=True) for one in group}
        left_out -= set(self.copies.best)
        conflicts = {(one.label, one.image_id) for one in self.found.get("conflict", ())}
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

    def rejected_with_features(self) -> Indices:
        """Return the indices of readable pictures that a person found bad, copies not counted: they teach."""
        return np.array(
            [
                index
                for index, picture in enumerate(self.pictures)
                if picture.found_bad_by_person and self.features is not None and np.isfinite(self.features[index, 0])
            ],
            dtype=np.int64,
        )
