"""Draw charts as SVG text that follows the page's colours, light or dark, and needs no script."""

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

WIDTH, HEIGHT = 460, 250
LEFT, RIGHT, TOP, BOTTOM = 46, 14, 14, 34  # margins, for the axes' words


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartLine:
    """One line of a chart. ``tone`` is a colour of the page (keep, copy, out, move, soft)."""

    name: str
    points: Sequence[tuple[float, float]]
    tone: str
    dashed: bool = False


@dataclass(frozen=True, slots=True)
class _Scale:
    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low or 1.0)
        return self.start + min(1.0, max(0.0, share)) * (self.end - self.start)


def line_chart(
    lines: Sequence[ChartLine], *, across: str, up: str, low: float | None = None, high: float | None = None
) -> Markup:
    """Return a line chart.

    Args:
        lines: at least one with a point.
        across: what the horizontal axis counts.
        up: what the vertical axis measures.
        low: bottom of the vertical axis; None: a little below the smallest value.
        high: its top; None: a little above the largest.
    """
    xs = [x for line in lines for x, _ in line.points]
    ys = [y for line in lines for _, y in line.points]
    room = (max(ys) - min(ys)) * 0.08 or 0.01
    x = _Scale(min(xs), max(xs), LEFT, WIDTH - RIGHT)
    y = _Scale(min(ys) - room if low is None else low, max(ys) + room if high is None else high, HEIGHT - BOTTOM, TOP)
    parts = [_axes(x, y, across, up)]
    for line in lines:
        dash = ' stroke-dasharray="5 4"' if line.dashed else ""
        if len(line.points) == 1:
            (only_x, only_y) = line.points[0]
            parts.append(f'<circle cx="{x(only_x):.1f}" cy="{y(only_y):.1f}" r="4" fill="var(--{line.tone})"/>')
        path = " ".join(f"{x(px):.1f},{y(py):.1f}" for px, py in line.points)
        parts.append(f'<polyline points="{path}" fill="none" stroke="var(--{line.tone})" stroke-width="2"{dash}/>')
    legend = "".join(
        f'<span><i style="background:var(--{line.tone})"></i>{escape(line.name)}</span>' for line in lines if line.name
    )
    return _figure(parts, f"{up} by {across}", legend)


@dataclass(frozen=True, slots=True, kw_only=True)
class ChartPoint:
    """One point of a scatter chart, with the interval of its height."""

    name: str
    across: float
    value: float
    low: float
    high: float


def scatter(points: Sequence[ChartPoint], *, across: str, up: str) -> Markup:
    """Return a dot for each point, its interval as a line; numbers say which it is, the legend names them."""
    first, last = min(each.across for each in points), max(each.across for each in points)
    room = (last - first) * 0.08 or 0.5
    low, high = min(each.low for each in points), max(each.high for each in points)
    x = _Scale(first - room, last + room, LEFT, WIDTH - RIGHT)
    y = _Scale(low, high if high > low else low + 1, HEIGHT - BOTTOM, TOP)
    parts = [_axes(x, y, across, up)]
    for number, each in enumerate(points, start=1):
        at, height = x(each.across), y(each.value)
        parts.append(
            f'<line x1="{at:.1f}" y1="{y(each.low):.1f}" x2="{at:.1f}" y2="{y(each.high):.1f}" stroke="var(--soft)"/>'
            f'<circle cx="{at:.1f}" cy="{height:.1f}" r="9" fill="var(--keep)">'
            f"<title>{escape(each.name)}</title></circle>"
            f'<text x="{at:.1f}" y="{height + 4:.1f}" text-anchor="middle" style="fill:var(--card);font-weight:700">'
            f"{number}</text>"
        )
    legend = "".join(f"<span>{number} {escape(each.name)}</span>" for number, each in enumerate(points, start=1))
    return _figure(parts, f"{up} by {across}", legend)


def reliability(bins: Sequence[tuple[float, float, int]]) -> Markup:
    """Return a reliability diagram: for each bin (mean confidence, accuracy, pictures) a dot as large as its share."""
    smallest = min((min(confidence, accuracy) for confidence, accuracy, _ in bins), default=0.0)
    low = max(0.0, min(0.8, int(10 * smallest) / 10 - 0.1))  # most bins of a good model lie near the corner
    x, y = _Scale(low, 1, LEFT, WIDTH - RIGHT), _Scale(low, 1, HEIGHT - BOTTOM, TOP)
    parts = [_axes(x, y, "confidence", "share that is right", percent=True)]
    parts.append(
        f'<line x1="{x(low):.1f}" y1="{y(low):.1f}" x2="{x(1):.1f}" y2="{y(1):.1f}" stroke="var(--soft)" '
        'stroke-width="1.5" stroke-dasharray="5 4"/>'
    )
    most = max((count for _, _, count in bins), default=1)
    for confidence, accuracy, count in bins:
        radius = 3.5 + 7 * (count / most) ** 0.5
        parts.append(
            f'<circle cx="{x(confidence):.1f}" cy="{y(accuracy):.1f}" r="{radius:.1f}" fill="var(--keep)" '
            f'fill-opacity=".75"><title>{count} pictures: {confidence:.0%} sure, {accuracy:.0%} right</title></circle>'
        )
    legend = (
        '<span><i style="background:var(--keep)"></i>pictures, by how sure the model was (larger: more of them)</span>'
        '<span><i style="background:var(--soft)"></i>as right as it is sure</span>'
    )
    return _figure(parts, "How often the model is right, by how sure it was", legend)


def histogram(counts: Sequence[tuple[float, int, int]], *, across: str) -> Markup:
    """Return stacked bars: for each bin (left edge, correct predictions, wrong predictions). Bins are equally wide."""
    most = max((right + wrong for _, right, wrong in counts), default=1) or 1
    x, y = _Scale(0, 1, LEFT, WIDTH - RIGHT), _Scale(0, most, HEIGHT - BOTTOM, TOP)
    width = (x(1) - x(0)) / max(1, len(counts))
    parts = [_axes(x, y, across, "pictures", percent_across=True)]
    for edge, right, wrong in counts:
        left = x(edge) + 1
        for tone, base, size in (("keep", 0, right), ("out", right, wrong)):
            if size:
                top, height = y(base + size), y(base) - y(base + size)
                parts.append(
                    f'<rect x="{left:.1f}" y="{top:.1f}" width="{width - 2:.1f}" height="{max(height, 1):.1f}" '
                    f'fill="var(--{tone})"/>'
                )
    legend = (
        '<span><i style="background:var(--keep)"></i>right</span>'
        '<span><i style="background:var(--out)"></i>wrong</span>'
    )
    return _figure(parts, f"Pictures by {across}", legend)


def _axes(x: _Scale, y: _Scale, across: str, up: str, *, percent: bool = False, percent_across: bool = False) -> str:
    parts = []
    for step in range(5):
        value = y.low + (y.high - y.low) * step / 4
        height = y(value)
        parts.append(
            f'<line x1="{LEFT}" y1="{height:.1f}" x2="{WIDTH - RIGHT}" y2="{height:.1f}" stroke="var(--line)"/>'
            f'<text x="{LEFT - 7}" y="{height + 4:.1f}" text-anchor="end">{_number(value, y, percent=percent)}</text>'
        )
    for step in range(5):
        value = x.low + (x.high - x.low) * step / 4
        words = _number(value, x, percent=percent or percent_across)
        parts.append(f'<text x="{x(value):.1f}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle">{words}</text>')
    parts.append(f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 3}" text-anchor="end" class="axis">{escape(across)}</text>')
    parts.append(f'<text x="{LEFT}" y="{TOP - 4}" class="axis">{escape(up)}</text>')
    return "".join(parts)


def _number(value: float, scale: _Scale, *, percent: bool) -> str:
    if percent:
        return f"{value:.0%}"
    span = scale.high - scale.low
    return (
        f"{value:.0f}"
        if span >= 8
        else f"{value:.1f}"
        if span >= 0.8
        else f"{value:.2f}"
        if span >= 0.08
        else f"{value:.3f}"
    )


def _figure(parts: Sequence[str], name: str, legend: str) -> Markup:
    return Markup(
        f'<figure class="chart"><svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(name)}">'
        f'{"".join(parts)}</svg><figcaption class="legend">{legend}</figcaption></figure>'
    )
