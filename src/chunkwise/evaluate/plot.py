"""Recall against tokens as a picture: a line for each pipeline, its name beside it, its interval shaded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

SUFFIXES = (".svg", ".png", ".pdf")
# Okabe and Ito's colours, told apart by colour-blind readers; beyond them the markers tell lines apart.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#444444")
MARKERS = "os^Dv<>"
WIDEST = 46  # characters of a name
LONGEST = 72  # characters of a title


@dataclass(frozen=True, slots=True)
class Line:
    """name: what stands beside the line; cost: under it, smaller; points: budget, mean, low and high, in percent."""

    name: str
    cost: str
    points: tuple[tuple[int, float, float, float], ...]


def installed() -> bool:
    """Whether matplotlib is there, which the extra `evaluate` brings."""
    import importlib.util

    return importlib.util.find_spec("matplotlib") is not None


def draw(lines: Sequence[Line], title: str, subtitle: str, path: Path) -> None:
    """Write the picture to `path`, in the format its suffix names.

    Budgets on a log axis; with a single budget a dot and a bar for each pipeline. Needs matplotlib.
    """
    budgets = sorted({point[0] for line in lines for point in line.points})
    with picture(path, title, subtitle, max(4.2, 0.46 * len(lines) + 1.9)) as (axes,):
        if len(budgets) > 1:
            _curves(axes, lines, budgets)
        else:
            _dots(axes, lines)


@contextmanager
def picture(
    path: Path, title: str, subtitle: str, height: float, panels: int = 1, below: float = 0.62
) -> Iterator[Sequence[Any]]:
    """The axes of a picture, its title and what stands below it; written to `path` when the block is left.

    height, below: inches, of the whole and of what is left free under the axes.
    """
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    plain: dict[Any, Any] = {
        "font.size": 10, "font.family": "DejaVu Sans", "svg.hashsalt": "chunkwise", "svg.fonttype": "none",
        "axes.spines.top": False, "axes.spines.right": False, "axes.edgecolor": "#888888",
        "xtick.color": "#444444", "ytick.color": "#444444",
    }  # fmt: skip
    with plt.rc_context(plain):
        figure, axes = plt.subplots(1, panels, figsize=(9.2, height), squeeze=False, sharey=True)
        yield axes[0]
        figure.subplots_adjust(top=1 - 0.82 / height, bottom=below / height)
        left = axes[0][0].get_position().x0
        figure.text(
            left,
            1 - 0.32 / height,
            title if len(title) <= LONGEST else f"{title[: LONGEST - 1]}…",
            fontsize=12,
            weight="bold",
            va="center",
        )
        figure.text(left, 1 - 0.60 / height, subtitle, fontsize=9, color="#555555", va="center")
        figure.savefig(path, dpi=160, metadata={"Date": None} if path.suffix.lower() == ".svg" else None)
        plt.close(figure)


def _curves(axes: Any, lines: Sequence[Line], budgets: Sequence[int]) -> None:
    ends = []
    for number, line in enumerate(lines):
        colour, marker = COLOURS[number % len(COLOURS)], MARKERS[number // len(COLOURS) % len(MARKERS)]
        x, mean, low, high = zip(*line.points, strict=True)
        axes.fill_between(x, low, high, color=colour, alpha=0.10, linewidth=0)
        dashed = "--" if number >= len(COLOURS) else "-"
        axes.plot(x, mean, dashed, color=colour, marker=marker, markersize=4.5, linewidth=1.8)
        ends.append((mean[-1], line, colour))
    axes.set_xscale("log")
    axes.set_xticks(budgets, [f"{budget:,}" for budget in budgets])
    axes.minorticks_off()
    axes.set_xlim(budgets[0] / 1.05, budgets[-1] * 1.03)
    lowest = min(point[2] for line in lines for point in line.points)
    highest = max(point[3] for line in lines for point in line.points)
    room = max(4.0, 0.06 * (highest - lowest))
    axes.set_ylim(max(-1.0, lowest - room), min(103.0, highest + room))
    axes.grid(axis="y", color="#e4e4e4", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.set_xlabel("tokens that the reader is given (log scale)", color="#444444")
    axes.set_ylabel("evidence kept, %", color="#444444")
    longest = max(max(len(_short(line.name)), 0.8 * len(line.cost)) for line in lines)
    axes.figure.subplots_adjust(left=0.08, right=max(0.55, 0.95 - 0.0095 * longest))
    bottom, top = axes.get_ylim()
    step = (top - bottom) / max(1, len(lines)) if len(lines) > 10 else (top - bottom) * 0.42 / _inches(axes)
    for (value, line, colour), at in zip(*_apart(ends, bottom, top, step), strict=True):
        axes.annotate(
            _short(line.name), (budgets[-1], value), (1.045, (at - bottom) / (top - bottom)),
            textcoords="axes fraction", color=colour, fontsize=9.5, va="bottom", weight="bold",
            arrowprops={"arrowstyle": "-", "color": colour, "linewidth": 0.7, "shrinkA": 2, "shrinkB": 4, "alpha": 0.6,
                        "relpos": (0, 0)},
        )  # fmt: skip
        axes.annotate(
            line.cost, (1.045, (at - bottom) / (top - bottom)), (0, -1.5), xycoords="axes fraction",
            textcoords="offset points", color="#666666", fontsize=7.5, va="top",
        )  # fmt: skip


def _inches(axes: Any) -> float:
    return float(axes.get_position().height * axes.figure.get_figheight())


def _apart(
    ends: Sequence[tuple[float, Line, str]], bottom: float, top: float, step: float
) -> tuple[list[tuple[float, Line, str]], list[float]]:
    """The ends from the lowest up, and where their names stand: as near as may be, a step apart, inside the axes."""
    ordered = sorted(ends, key=lambda end: end[0])
    places: list[float] = []
    for value, _, _ in ordered:
        places.append(max(value, places[-1] + step if places else bottom + step / 2))
    over = top - step / 3
    for index in range(len(places) - 1, -1, -1):
        places[index] = min(places[index], over)
        over = places[index] - step
    return ordered, places


def _dots(axes: Any, lines: Sequence[Line]) -> None:
    for row, line in enumerate(lines):
        ((_, mean, low, high),) = line.points
        colour = COLOURS[0]
        axes.plot((low, high), (row, row), color=colour, linewidth=5, alpha=0.25, solid_capstyle="round")
        axes.plot(mean, row, "o", color=colour, markersize=7)
        axes.annotate(f"{mean:.1f}", (mean, row), (0, 7), textcoords="offset points", ha="center", fontsize=8.5)
        axes.annotate(
            line.cost, (1.02, row), xycoords=("axes fraction", "data"), color="#666666", fontsize=8, va="center"
        )
    axes.set_yticks(range(len(lines)), [_short(line.name) for line in lines])
    axes.set_ylim(len(lines) - 0.4, -0.7)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color="#e4e4e4", linewidth=0.7)
    axes.set_axisbelow(True)
    axes.spines["left"].set_visible(False)
    budget = lines[0].points[0][0]
    axes.set_xlabel(f"evidence kept at {budget:,} tokens, %", color="#444444")
    longest = max(len(_short(line.name)) for line in lines)
    axes.figure.subplots_adjust(left=min(0.42, 0.04 + 0.0085 * longest), right=0.76)


def _short(name: str) -> str:
    return name if len(name) <= WIDEST else f"{name[: WIDEST - 1]}…"
