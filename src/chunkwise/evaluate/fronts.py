"""Recall against what it costs as a picture: a point for each pipeline and budget, and the front nothing beats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chunkwise.evaluate.plot import COLOURS, MARKERS, picture

MOST = 9  # names in the legend


@dataclass(frozen=True, slots=True)
class Panel:
    """axis: what the cost is; points: cost, recall in percent and the number of the name; front: those on it."""

    axis: str
    points: tuple[tuple[float, float, int], ...]
    front: tuple[tuple[float, float], ...]


def draw_fronts(
    panels: Sequence[Panel], names: Sequence[str], chosen: int, title: str, subtitle: str, path: Path
) -> None:
    """Write the picture to `path`, in the format that its suffix names; needs matplotlib.

    names: of the pipelines, told apart by colour and marker; chosen: the number of the one that is marked.
    """
    shown = min(len(names), MOST)
    recalls = [recall for panel in panels for _, recall, _ in panel.points]
    room = max(2.0, 0.08 * (max(recalls, default=0) - min(recalls, default=0)))
    with picture(path, title, subtitle, 5.0 + 0.22 * shown, len(panels), 0.95 + 0.22 * shown) as axes:
        for one, panel in zip(axes, panels, strict=True):
            _scatter(one, panel, chosen)
        axes[0].set_ylabel("evidence kept, %", color="#444444")
        handles = [_handle(axes[0], number, number == chosen) for number in range(shown)]
        axes[0].figure.legend(
            handles, [*names[:shown]], loc="lower left", bbox_to_anchor=(0.07, 0), frameon=False, fontsize=8.5,
        )  # fmt: skip
        axes[0].set_ylim(max(-2.0, min(recalls, default=0) - room), min(102.0, max(recalls, default=100) + room))
        axes[0].figure.subplots_adjust(left=0.08, right=0.97, wspace=0.08)


def _scatter(axes: Any, panel: Panel, chosen: int) -> None:
    for cost, recall, number in panel.points:
        _mark(axes, cost, recall, number, number == chosen)
    if panel.front:
        costs, recalls = zip(*panel.front, strict=True)
        axes.step(costs, recalls, where="post", color="#444444", linewidth=1.2, zorder=1)
    axes.set_xscale("log")
    from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator

    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.0f}" if value >= 1 else f"{value:g}"))
    axes.xaxis.set_minor_formatter(FuncFormatter(lambda value, _: ""))
    axes.yaxis.set_major_locator(MaxNLocator(8))
    axes.set_xlabel(f"{panel.axis} (log scale)", color="#444444")
    axes.grid(axis="y", color="#e4e4e4", linewidth=0.7)
    axes.set_axisbelow(True)


def _mark(axes: Any, cost: float, recall: float, number: int, chosen: bool) -> Any:
    (drawn,) = axes.plot(
        cost, recall, MARKERS[number % len(MARKERS)], color=COLOURS[number % len(COLOURS)], zorder=3,
        markersize=10 if chosen else 6.5, markeredgecolor="black" if chosen else "white", markeredgewidth=1.2,
    )  # fmt: skip
    return drawn


def _handle(axes: Any, number: int, chosen: bool) -> Any:
    return _mark(axes, float("nan"), float("nan"), number, chosen)
