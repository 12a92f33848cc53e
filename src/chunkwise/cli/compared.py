"""A comparison as a person reads it: a table, what of it is noise, and what to know of the questions."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chunkwise.cli import show
from chunkwise.errors import UserError

if TYPE_CHECKING:
    from chunkwise.compare import Comparison, Material
    from chunkwise.evaluate.grid import Grid


CUTS = "fixed:size=200,recursive:size=200,recursive:size=400"


def grid(preset: str | None, chosen: Mapping[str, str | None]) -> Grid:
    """The grid of a preset, or of our own, with the axes that were chosen in place of its own.

    Where no retriever is chosen, our default stands beside. Raises UserError for what cannot be read.
    """
    from chunkwise.evaluate.grid import OURS, Grid
    from chunkwise.recipe import build, specs

    made: Grid = build(preset, "survey-eval") if preset else Grid(specs(CUTS))
    axes: dict[str, Any] = {axis: specs(text) for axis, text in chosen.items() if text is not None}
    if "budgets" in axes:
        axes["budgets"] = tuple(map(_tokens, axes["budgets"]))
    if preset is None and chosen["retrieve"] is None:
        axes["beside"] = tuple(replace(OURS, embed=embed) for embed in axes.get("embed", made.embed))
    return replace(made, **axes)


def _tokens(text: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise UserError(f"{text!r} is no number of tokens; write --budgets 250,500,1000") from None


def may_draw(path: Path) -> bool:
    """Whether a plot can be drawn; where only matplotlib is missing, how to install it is said."""
    from chunkwise.evaluate.plot import SUFFIXES, installed

    if path.suffix.lower() not in SUFFIXES:
        raise UserError(f"{path}: a plot is written as {', '.join(SUFFIXES)}; name the file so")
    if not installed():
        show.note("warning: no plot without matplotlib: pip install 'chunkwise[evaluate]'; the table follows")
        return False
    return True


def compared(comparison: Comparison, material: Material) -> None:
    """The table of all pipelines, recall by group where that was asked for, the verdict, the notes."""
    from chunkwise.compare import apart, summary
    from chunkwise.evaluate.grid import labels

    dataset, budgets = comparison.dataset, comparison.grid.budgets
    names, shared = labels(comparison.grid.pipelines)
    asked, of = show.count(len(dataset.questions), "question"), show.count(len(dataset.documents), "document")
    told = f" · {_all(comparison)} with {shared}" if shared else ""
    show.out(f"{dataset.name}: {asked} on {of}{told}")
    show.out("")
    show.console().print(_table(comparison, names))
    for group, count, found in apart(comparison):
        by_budget = "".join(f"{budget:>8,}" for budget in budgets)
        show.out(f"\nrecall %, {group} ({show.count(count, 'question')}){'':4}{by_budget}")
        wide = max(len(name) for name in names)
        for name in names:
            if (name, budgets[0]) in found:
                show.out(f"  {name:<{wide}}" + "".join(f"{100 * found[name, budget]:8.1f}" for budget in budgets))
    for sentence in summary(comparison):
        show.console().print(f"\n{sentence}", markup=False)
    for cell in comparison.cells:
        if cell.budget == budgets[0] and cell.error:
            show.note(f"failed: {cell.pipeline.name}: {cell.error}")
        elif cell.budget == budgets[0]:
            for warning in cell.warnings:
                show.note(f"warning: {cell.pipeline.segment}: {warning}")
    if material.notes:
        show.out("")
    for note in material.notes:
        show.aside(f"note: {note}")
    for file in material.failed:
        show.note(f"failed: {file.reason}")


def _table(comparison: Comparison, names: Sequence[str]) -> Any:
    from rich.table import Table
    from rich.text import Text

    from chunkwise.compare import rows
    from chunkwise.compare.report import seconds

    budgets = comparison.grid.budgets
    middle = budgets[len(budgets) // 2]
    cells = rows(comparison)
    scored = any(cell["recall"] is not None for cell in cells)
    ranked = any(cell["ndcg@10"] is not None for cell in cells)
    bounded = any(cell["boundary_f1"] is not None for cell in cells)
    whole = any(cell["kept_whole"] is not None for cell in cells)
    best = {
        budget: max((cell["recall"] for cell in cells if cell["budget"] == budget and cell["recall"]), default=None)
        for budget in budgets
    }
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim", show_edge=False)
    table.add_column("pipeline", overflow="fold")
    if scored:
        for budget in budgets:
            table.add_column(f"recall %\n@{budget:,}", justify="right", no_wrap=True)
        table.add_column(f"precision\n@{middle:,}", justify="right", no_wrap=True)
        table.add_column(f"IoU\n@{middle:,}", justify="right", no_wrap=True)
    heads = ["nDCG\n@10", "docs\n@10"] * ranked + ["cut\nF1", "\nPk"] * bounded + ["kept\nwhole"] * whole
    for head in [*heads, f"tokens\n@{middle:,}", "chunks\n ", "index\n ", "question\nms", "memory\nMB"]:
        table.add_column(head, justify="right", no_wrap=True)
    for name, pipeline in zip(names, comparison.grid.pipelines, strict=True):
        own = {
            row["budget"]: row for row, cell in zip(cells, comparison.cells, strict=True) if cell.pipeline == pipeline
        }
        at = own[middle]
        if at["error"]:
            table.add_row(Text(name, "red"), Text("failed, see below", "red"))
            continue
        line: list[Any] = [Text(name, "cyan")]
        if scored:
            for budget in budgets:
                row = own[budget]
                around = 50 * (row["recall_high"] - row["recall_low"])
                leads = row["recall"] == best[budget]
                mark = Text(f"{100 * row['recall']:.1f}", "bold green" if leads else "")
                line.append(mark.append(f" ±{around:.1f}".ljust(6), "dim not bold"))
            line += [f"{100 * at['precision']:.1f}", f"{100 * at['iou']:.1f}"]
        if ranked:
            line += [_share(at["ndcg@10"]), _share(at["recall@10"])]
        if bounded:
            line += [_share(at["boundary_f1"]), _share(at["boundary_pk"])]
        if whole:
            line.append(_share(at["kept_whole"]))
        line += [
            f"{at['tokens']:,.0f}",
            Text(f"{at['chunks']:,}").append(f" x{at['chunk_tokens']:.0f}".ljust(5), "dim"),
            seconds(at["index_seconds"]),
            f"{at['question_ms']:.0f}",
            f"{at['memory_mb']:.0f}",
        ]
        table.add_row(*line)
    return table


def write_csv(comparison: Comparison, path: Path) -> None:
    """A row for each pipeline and budget."""
    from chunkwise.compare import FIELDS, rows

    with path.open("w", newline="", encoding="utf-8", errors="replace") as file:
        writer = csv.DictWriter(file, FIELDS)
        writer.writeheader()
        writer.writerows(rows(comparison))


def write_plot(comparison: Comparison, path: Path) -> bool:
    """Recall against tokens; whether there was anything to draw."""
    from chunkwise.compare import lines
    from chunkwise.evaluate.grid import labels
    from chunkwise.evaluate.plot import draw

    drawn = lines(comparison)
    if drawn:
        shared = labels(comparison.grid.pipelines)[1]
        count = show.count(len(comparison.questions), "question")
        told = f"{count}; shaded: 95 % bootstrap interval" + (f"; {_all(comparison)} with {shared}" if shared else "")
        draw(drawn, f"Evidence kept: {comparison.dataset.name}", told, path)
    return bool(drawn)


def _all(comparison: Comparison) -> str:
    ours = [one.ours for one in comparison.grid.pipelines]
    return "all but the default" if any(ours) and not all(ours) else "all"


def _share(value: float | None) -> str:
    return "" if value is None else f"{value:.2f}"
