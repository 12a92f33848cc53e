"""How much stays below a value, as a picture: a rising line for each name, a panel for each measure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from chunkwise.evaluate.plot import COLOURS, MARKERS, picture


@dataclass(frozen=True, slots=True)
class Panel:
    """axis: what the values are; lines: of each name the values, ascending and above 0, and the weight of each.

    mark: a value that is marked, such as a promise; None for none.
    """

    axis: str
    lines: tuple[tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]], ...]
    mark: float | None = None


def draw_shares(panels: Sequence[Panel], names: Sequence[str], title: str, subtitle: str, path: Path) -> None:
    """Write the picture to `path`, in the format that its suffix names; needs matplotlib."""
    rows = -(-len(names) // 3)
    with picture(path, title, subtitle, 4.6 + 0.22 * rows, len(panels), 0.85 + 0.22 * rows) as axes:
        for one, panel in zip(axes, panels, strict=True):
            for number, (values, weights) in enumerate(panel.lines):
                if len(values):
                    share = 100 * np.cumsum(weights) / weights.sum()
                    one.step(
                        np.concatenate([values[:1], values]), np.concatenate([[0.0], share]), where="post",
                        color=COLOURS[number % len(COLOURS)], linewidth=1.8,
                        marker=MARKERS[number // len(COLOURS) % len(MARKERS)], markevery=(0.1, 0.25), markersize=4,
                    )  # fmt: skip
            if panel.mark is not None:
                one.axvline(panel.mark, color="#888888", linewidth=0.9, linestyle=":")
            one.set_xscale("log")
            one.set_xlabel(f"{panel.axis} (log scale)", color="#444444")
            one.grid(axis="y", color="#e4e4e4", linewidth=0.7)
            one.set_axisbelow(True)
        axes[0].set_ylabel("share that is no longer, %", color="#444444")
        axes[0].set_ylim(0, 102)
        handles = [
            axes[0].plot([], [], color=COLOURS[at % len(COLOURS)], marker=MARKERS[at // len(COLOURS) % len(MARKERS)])[0]
            for at in range(len(names))
        ]
        axes[0].figure.legend(
            handles, names, loc="lower left", bbox_to_anchor=(0.07, 0), frameon=False, fontsize=9, ncols=3
        )
        axes[0].figure.subplots_adjust(left=0.08, right=0.97, wspace=0.08)
