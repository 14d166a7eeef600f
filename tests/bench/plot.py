"""How cost grows with positions, as one SVG of small panels. No library: three polylines and some text."""

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
    """One quantity against the number of positions. `bars` are (positions, most allowed)."""

    title: str
    points: Sequence[tuple[int, float]]
    bars: Sequence[tuple[int, float]] = ()
    decimals: int = 0


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
    top = nice(max([value for _, value in panel.points] + [value for _, value in panel.bars]))
    counts = [count for count, _ in panel.points]
    low, high = math.log10(min(counts)), math.log10(max(counts))
    inner_width, inner_height = PANEL_WIDTH - LEFT - RIGHT, PANEL_HEIGHT - TOP - BOTTOM

    def x(count: float) -> float:
        return round(LEFT + 8 + (math.log10(count) - low) / ((high - low) or 1) * (inner_width - 16), 1)

    def y(value: float) -> float:
        return round(TOP + inner_height * (1 - value / top), 1)

    parts = [_text(LEFT, 20, panel.title, "start", "font-weight='600' fill='#24292f'")]
    for step in range(TICKS + 1):
        value = top * step / TICKS
        parts.append(f"<path d='M{LEFT} {y(value)}H{PANEL_WIDTH - RIGHT}' stroke='{FAINT}'/>")
        parts.append(_text(LEFT - 6, y(value) + 4, f"{value:,.{panel.decimals}f}".rstrip(), "end"))
    parts += [_text(x(count), PANEL_HEIGHT - BOTTOM + 16, f"{count:,}", "middle") for count in counts]
    parts.append(_text(LEFT + inner_width / 2, PANEL_HEIGHT - 8, "positions (logarithmic)", "middle"))
    for count, value in panel.bars:
        parts.append(f"<path d='M{x(count) - 16} {y(value)}h32' stroke='{BAR}' stroke-width='2'/>")
        parts.append(_text(x(count), y(value) - 5, f"bar {value:,.0f}", "middle", f"fill='{BAR}'"))
    path = " ".join(f"{x(count)},{y(value)}" for count, value in panel.points)
    parts.append(f"<polyline points='{path}' fill='none' stroke='{LINE}' stroke-width='2'/>")
    for count, value in panel.points:
        parts.append(f"<circle cx='{x(count)}' cy='{y(value)}' r='3.5' fill='{LINE}'/>")
        text = f"{value:,.{panel.decimals}f}"
        parts.append(_text(x(count), y(value) - 8, text, "middle", f"fill='{LINE}' font-weight='600'"))
    return parts


def _text(x: float, y: float, text: str, anchor: str, style: str = f"fill='{INK}'") -> str:
    return f"<text x='{x}' y='{y}' text-anchor='{anchor}' {FONT} {style}>{escape(text)}</text>"


def nice(value: float) -> float:
    """The next round number (1, 2, 4 or 8 times a power of ten) at or above a tenth more than `value`."""
    value = max(value * 1.1, 1e-9)
    power = 10.0 ** math.floor(math.log10(value))
    return next(power * step for step in (1, 2, 4, 8, 10) if power * step >= value)
