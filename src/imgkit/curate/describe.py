"""Say in a few words what a finding found."""

from collections.abc import Mapping
from typing import Final

from imgkit.manifest import Finding

CROPPED_BELOW: Final = 0.97  # of the area


def describe(finding: Finding) -> str:
    """Return what a finding says in a few words."""
    detail = finding.detail
    match finding.check:
        case "readable":
            if share := detail.get("missing_share"):
                return f"{_percent(share)} of it is one grey band, as where a cut JPEG ends"
            return "the file is gone" if detail.get("missing") else "the file cannot be decoded"
        case "exact":
            return f"the same pixels as {detail['copy_of_label']}/{detail['copy_of']}"
        case "near":
            return f"{_how(detail)} of {detail['copy_of_label']}/{detail['copy_of']}"
        case "conflict":
            return f"the same picture under {_listed(detail.get('labels'))}"
        case "side":
            return f"all its neighbours are {detail.get('belongs_to')} ({_percent(finding.score)} of the votes)"
        case "placeholder":
            return f"one picture from {detail.get('addresses')} addresses under {_listed(detail.get('labels'))}"
        case "leak":
            return f"copies in {_listed(detail.get('splits'))} of the split that the folders say"
        case "quality":
            measured = detail.get("measured")
            faults = measured.items() if isinstance(measured, dict) else ()
            return ", ".join(f"{name} ({value:g})" for name, value in faults)
        case "offtopic":
            return f"far from every label, least from {detail.get('nearest_label')} ({finding.score:.1f} deviations)"
        case "not_photo":
            return f"drawn, painted or rendered (log-odds {finding.score:.1f})"
        case "text":
            return f"text, a cover or a collage (log-odds {finding.score:.1f})"
        case "junk":
            said = detail.get("said")
            loud = [_VOICES[name] for name, each in said.items() if each >= _LOUD] if isinstance(said, dict) else []
            learnt = detail.get("learnt")
            taught = ", by what was decided about others" if isinstance(learnt, float) and learnt >= 1 else ""
            return f"unlike its label: {', '.join(loud) or 'its looks'} (log-odds {finding.score:.1f}{taught})"
        case "label":
            likely, own = _percent(detail.get("probability")), _percent(detail.get("own_probability"))
            return f"looks like {detail.get('suggested')} ({likely}, own label {own})"
    return ""


_LOUD: Final = 4.0  # 2.5 deviations to the power of 1.5
_VOICES: Final = {"not_photo": "drawn or rendered", "text": "text or a collage", "offtopic": "far from every label"}

_ORIENTATIONS: Final = (
    "copy",
    "mirrored copy",
    "upside-down copy",
    "copy turned by 180°",
    "transposed copy",
    "turned copy",
    "turned copy",
    "transposed copy",
)


def _how(detail: Mapping[str, object]) -> str:
    orientation, area, angle = detail.get("orientation", 0), detail.get("area", 1.0), detail.get("angle", 0)
    words = _ORIENTATIONS[orientation] if isinstance(orientation, int) else "copy"
    if isinstance(angle, int) and angle:
        return f"copy turned by {abs(angle)}°"
    if isinstance(area, float) and area < CROPPED_BELOW:
        return f"cropped or framed {words}"
    return words


def _listed(value: object) -> str:
    return " and ".join(str(each) for each in value) if isinstance(value, list | tuple) else ""


def _percent(value: object) -> str:
    return f"{value:.0%}" if isinstance(value, int | float) else "?"
