"""Recall against tokens: our one default, the best peer setting of each budget, and single peer settings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .rows import DEFAULT

SINGLE = {  # colours of Okabe and Ito, told apart by colour-blind readers; each has its own marker too
    "langchain 100 + BM25": ("#56B4E9", "^"),
    "llama-index 200 + BM25": ("#E69F00", "s"),
    "langchain 200 + MiniLM": ("#CC79A7", "v"),
    "langchain 200 + rank fusion": ("#009E73", "D"),
}
OURS = "#0072B2"
BEST = "#000000"
COLUMNS = 3


def draw(seen: dict[str, Any], views: list[str], to: list[Path]) -> None:
    """One panel per view, written to each of the paths in `to` in the format its suffix names."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    plt.rcParams |= {
        "font.size": 10,
        "svg.hashsalt": "chunkwise",
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    rows = -(-(len(views) + 1) // COLUMNS)  # the last panel holds the legend
    figure, grid = plt.subplots(rows, COLUMNS, figsize=(9.6, 2.8 * rows), layout="constrained")
    panels = list(grid.flat)
    for panel, view in zip(panels, views, strict=False):
        content = seen["views"][view]
        _panel(panel, content["rows"], content["best"])
        panel.set_title(f"{view} ({content['questions']} questions)", fontsize=10, loc="left")
    for panel in panels[len(views) :]:
        panel.axis("off")
    handles, labels = panels[0].get_legend_handles_labels()
    panels[-1].legend(handles[::-1], labels[::-1], loc="center left", frameon=False, fontsize=9.5)
    figure.supxlabel("tokens in the prompt (hard budget, log scale)", fontsize=10)
    figure.supylabel("evidence kept: character recall, %", fontsize=10)
    for path in to:
        figure.savefig(path, dpi=160, metadata={"Date": None} if path.suffix == ".svg" else None)
    plt.close(figure)


def _panel(panel: Any, rows: dict[str, Any], best: dict[int, dict[str, Any]]) -> None:
    budgets = [int(budget) for budget in next(iter(rows.values()))]
    for name, (colour, marker) in SINGLE.items():
        if name in rows:
            values = [by["recall"] for by in rows[name].values()]
            panel.plot(budgets, values, color=colour, marker=marker, markersize=3.5, linewidth=1, label=name)
    if best:
        values = [line["recall"] for line in best.values()]
        label = "best of all peer settings,\none for each budget"
        panel.plot(budgets, values, color=BEST, linestyle="--", marker="o", markersize=4, linewidth=1.6, label=label)
    if DEFAULT in rows:
        values = [by["recall"] for by in rows[DEFAULT].values()]
        panel.plot(budgets, values, color=OURS, marker="o", markersize=5.5, linewidth=3, label="chunkwise, its default")
    panel.set_xscale("log", base=2)
    panel.set_xticks(budgets, [str(budget) for budget in budgets])
    panel.minorticks_off()
    panel.set_ylim(top=101)
    panel.grid(axis="y", color="#dddddd", linewidth=0.6)
