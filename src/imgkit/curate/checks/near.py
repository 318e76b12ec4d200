"""Near-duplicates: crops, mirrors, other sizes, frames and captions of a better picture of the same label."""

from imgkit.curate.duplicates import CLOSE_FROM, Copy, best_of
from imgkit.curate.evidence import Evidence
from imgkit.manifest import Finding

NAME = "near"
VERSION = 2


def run(evidence: Evidence) -> list[Finding]:
    """Return a finding for each member but the best of each group of copies, label by label.

    The score is the median correlation of its blocks with those of the copy that gave it away.
    """
    pictures = evidence.pictures
    exact = {(one.label, one.image_id) for one in evidence.found.get("exact", ())}
    closest = _closest(evidence.copies.pairs)
    found = []
    for group, group_best in zip(evidence.copies.near, evidence.copies.best, strict=True):
        for label in sorted({pictures[one].label_now for one in group}):
            members = [
                one
                for one in group
                if pictures[one].label_now == label
                and pictures[one].key not in exact
                and not pictures[one].rejected_by_person
            ]
            if len(members) < 2:
                continue
            best = group_best
            if best not in members:
                best = best_of(members, evidence.copies.pairs, pictures, evidence.fingerprints)
            found += [_finding(evidence, one, best, closest.get(one)) for one in members if one != best]
    return found


def _finding(evidence: Evidence, one: int, best: int, pair: Copy | None) -> Finding:
    picture, kept = evidence.pictures[one], evidence.pictures[best]
    detail: dict[str, object] = {"copy_of": kept.image_id, "copy_of_label": kept.label}
    if pair is not None:
        detail |= {
            "closeness": round(pair.alignment.closeness, 3),
            "agreement": round(pair.alignment.agreement, 3),
            "correlation": round(pair.alignment.correlation, 3),
            "area": round(pair.alignment.area, 3),
            "angle": pair.alignment.angle,
            "orientation": pair.alignment.orientation,
        }
        detail |= {"bits": pair.bits} if pair.bits is not None else {}
        detail |= {"cosine": round(pair.cosine, 3)} if pair.cosine is not None else {}
    return Finding(
        label=picture.label,
        image_id=picture.image_id,
        check=NAME,
        score=round(pair.alignment.closeness, 4) if pair else 1.0,
        threshold=CLOSE_FROM,
        detail=detail,
        version=VERSION,
    )


def _closest(pairs: tuple[Copy, ...]) -> dict[int, Copy]:
    """Return for each picture the copy that is closest to it."""
    found: dict[int, Copy] = {}
    for pair in sorted((each for each in pairs if each.is_copy), key=lambda each: each.alignment.closeness):
        found[pair.first] = found[pair.second] = pair
    return found
