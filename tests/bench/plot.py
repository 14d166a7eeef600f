"""How cost grows with positions, as one SVG of small panels. No library: a few lines and some text."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from xml.sax.saxutils import escape

PANEL_WIDTH, PANEL_HEIGHT = 300, 250
LEFT, RIGHT, TOP, BOTTOM = 52, 20, 44, 40
TICKS = 4
LINE, BAR, INK, FAINT = "#1f6feb", "#d1242f", "#57606a", "#d8dee4"
FONT = "font-family='system-ui, sans-serif' font-size='11'"


@dataclass(frozen=True, slots=True)
class Panel:
    """One quantity against the number of positions. `bars` are (positions, most allowed).

    With `logarithmic` both axes are, and growth in step with the positions is a straight line of slope one.
    """

    title: str
    points: Sequence[tuple[int, float]]
    bars: Sequence[tuple[int, float]] = ()
    logarithmic: bool = False


def write(path: Path, panels: Sequence[Panel]) -> None:
    """Draw the panels side by side."""
    path.write_text(svg(panels), encoding="utf-8")


def svg(panels: Sequence[Panel]) -> str:
    """The picture."""
    width = PANEL_WIDTH * len(panels)
    parts = [
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width} {PANEL_HEIGHT}' width='{width}' "
        f"height='{PANEL_HEIGHT}' role='img'>",
        f"<title>{escape('; '.join(panel.title for panel in panels))}</title>",
        f"<rect width='{width}' height='{PANEL_HEIGHT}' fill='white'/>",
    ]
    for number, panel in enumerate(panels):
        parts += [f"<g transform='translate({number * PANEL_WIDTH} 0)'>", *_panel(panel), "</g>"]
    return "\n".join([*parts, "</svg>", ""])


def _panel(panel: Panel) -> list[str]:
    counts = [count for count, _ in panel.points]
    low, high = math.log10(min(counts)), math.log10(max(counts))
    inner_width = PANEL_WIDTH - LEFT - RIGHT
    ticks = _ticks(panel)

    def x(count: float) -> float:
        return round(LEFT + 14 + (math.log10(count) - low) / ((high - low) or 1) * (inner_width - 28), 1)

    def y(value: float) -> float:
        share = _share(value, ticks, logarithmic=panel.logarithmic)
        return round(TOP + (PANEL_HEIGHT - TOP - BOTTOM) * (1 - share), 1)

    parts = [_text(LEFT, 20, panel.title, "start", "font-weight='600' fill='#24292f'")]
    for value in ticks:
        parts.append(f"<path d='M{LEFT} {y(value)}H{PANEL_WIDTH - RIGHT}' stroke='{FAINT}'/>")
        parts.append(_text(LEFT - 6, y(value) + 4, _number(value), "end"))
    parts += [_text(x(count), PANEL_HEIGHT - BOTTOM + 16, f"{count:,}", "middle") for count in counts]
    parts.append(_text(LEFT + inner_width / 2, PANEL_HEIGHT - 8, "positions", "middle"))
    path = " ".join(f"{x(count)},{y(value)}" for count, value in panel.points)
    parts.append(f"<polyline points='{path}' fill='none' stroke='{LINE}' stroke-width='2'/>")
    measured = dict(panel.points)
    for count, value in panel.bars:
        below = value < measured.get(count, 0)
        parts.append(f"<path d='M{x(count) - 14} {y(value)}h28' stroke='{BAR}' stroke-width='2'/>")
        parts.append(_text(x(count), y(value) + (13 if below else -5), f"bar {value:,.0f}", "middle", f"fill='{BAR}'"))
    for count, value in panel.points:
        above = all(value >= bar for at, bar in panel.bars if at == count)
        parts.append(f"<circle cx='{x(count)}' cy='{y(value)}' r='3.5' fill='{LINE}'/>")
        style = f"fill='{LINE}' font-weight='600'"
        parts.append(_text(x(count), y(value) + (-8 if above else 17), _number(value), "middle", style))
    return parts


def _ticks(panel: Panel) -> list[float]:
    values = [value for _, value in (*panel.points, *panel.bars)]
    if not panel.logarithmic:
        top = nice(max(values))
        return [top * step / TICKS for step in range(TICKS + 1)]
    low, high = math.floor(math.log10(min(values) * 0.9)), math.ceil(math.log10(max(values) * 1.1))
    return [10.0**power for power in range(low, high + 1)]


def _share(value: float, ticks: Sequence[float], *, logarithmic: bool) -> float:
    """How far up the axis a value is, from 0 to 1."""
    if logarithmic:
        value, ticks = math.log10(value), [math.log10(tick) for tick in ticks]
    return (value - ticks[0]) / (ticks[-1] - ticks[0])


def _number(value: float) -> str:
    return f"{value:.1f}" if 0 < value < 10 and value != int(value) else f"{value:,.0f}"


def _text(x: float, y: float, text: str, anchor: str, style: str = f"fill='{INK}'") -> str:
    return f"<text x='{x}' y='{y}' text-anchor='{anchor}' {FONT} {style}>{escape(text)}</text>"


def nice(value: float) -> float:
    """The next round number (1, 2, 4 or 8 times a power of ten) at or above a tenth more than `value`."""
    value = max(value * 1.1, 1e-9)
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * step for step in (1, 2, 4, 8, 10) if power * step >= value)
