"""A comparison as a person reads it: a table, what of it is noise, and what to know of the questions."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chunkwise.cli import show
from chunkwise.cli.tables import Column, show_tables
from chunkwise.errors import UserError

if TYPE_CHECKING:
    from rich.text import Text

    from chunkwise.compare import Comparison, Material
    from chunkwise.evaluate.grid import Grid

    Row = Mapping[str, Any]

OPTIONS = {
    "segment": "--recipes", "retrieve": "--retrievers", "select": "--selectors", "embed": "--embedder",
    "compress": "--compressors", "budgets": "--budgets",
}  # fmt: skip
CUTS = "fixed:size=200,recursive:size=200,recursive:size=400"


def grid(preset: str | None, chosen: Mapping[str, str | None]) -> Grid:
    """The grid of a preset, or of our own, with the axes that were chosen in place of its own.

    Where no retriever is chosen, our default stands beside. Raises UserError for what cannot be read.
    """
    from chunkwise.evaluate.grid import OURS, Grid
    from chunkwise.recipe import build, specs

    made: Any = build(preset, "survey-eval") if preset else Grid(specs(CUTS))
    if not isinstance(made, Grid):
        raise UserError(
            f"{preset} is no sweep that pipelines are compared by; `chunkwise recipes survey-eval` says more"
        )
    axes: dict[str, Any] = {axis: specs(text) for axis, text in chosen.items() if text is not None}
    if empty := [axis for axis, found in axes.items() if not found]:
        raise UserError(f"{OPTIONS[empty[0]]} lists nothing; name one or more, or leave it out")
    if "budgets" in axes:
        axes["budgets"] = tuple(dict.fromkeys(map(_tokens, axes["budgets"])))
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
    show_tables("pipeline", names, _columns(comparison))
    for group, count, found in apart(comparison):
        by_budget = "".join(f"{budget:>8,}" for budget in budgets)
        show.out(f"\nrecall %, {group} ({show.count(count, 'question')}){'':4}{by_budget}")
        wide = max(len(name) for name in names)
        for name in names:
            if (name, budgets[0]) in found:
                show.out(f"  {name:<{wide}}" + "".join(f"{100 * found[name, budget]:8.1f}" for budget in budgets))
    for sentence in summary(comparison):
        show.console().print(f"\n{sentence}", markup=False)
    for line in _troubles(comparison):
        show.note(line)
    if material.notes:
        show.out("")
    for note in material.notes:
        show.aside(f"note: {note}")
    for file in material.failed:
        show.note(f"failed: {file.reason}")


def _troubles(comparison: Comparison) -> Iterator[str]:
    """What failed, by pipeline; what fell back, by cut; a model that gave no answer once, for whatever needed it."""
    cells = [cell for cell in comparison.cells if cell.budget == comparison.grid.budgets[0]]
    for cell in cells:
        if cell.error:
            yield f"failed: {cell.pipeline.name}: {cell.error}"
    answered = [cell for cell in cells if not cell.unanswered]
    yield from dict.fromkeys(
        f"warning: {cell.pipeline.segment}: {warning}" for cell in answered for warning in cell.warnings
    )
    cut = {cell.pipeline.segment: "; ".join(cell.warnings) for cell in cells if cell.unanswered}
    if cut:
        first, *others = cut
        too = f"; {', '.join(others)} did without it too" if others else ""
        yield f"warning: {cut[first]}{too}"


def _columns(comparison: Comparison) -> list[Column]:
    """Heads and cells; None where the pipeline failed."""
    from rich.text import Text

    from chunkwise.compare import rows
    from chunkwise.compare.report import seconds

    budgets = comparison.grid.budgets
    middle = budgets[len(budgets) // 2]
    cells = rows(comparison)
    own = [
        {row["budget"]: row for row, cell in zip(cells, comparison.cells, strict=True) if cell.pipeline == pipeline}
        for pipeline in comparison.grid.pipelines
    ]

    def column(head: str, show: Callable[[Row], str | Text], budget: int = middle) -> Column:
        at = [one[budget] for one in own]
        return head, [None if row["error"] else Text.assemble(show(row)) for row in at]

    def known(measure: str) -> bool:
        return any(row[measure] is not None for row in cells)

    def share(measure: str) -> Callable[[Row], str]:
        return lambda row: "" if row[measure] is None else f"{row[measure]:.2f}"

    def recall(budget: int) -> Column:
        best = max((row["recall"] for row in cells if row["budget"] == budget and row["recall"]), default=None)

        def show(row: Row) -> Text:
            around = 50 * (row["recall_high"] - row["recall_low"])
            mark = Text(f"{100 * row['recall']:.1f}", "bold green" if row["recall"] == best else "")
            return mark.append(f" ±{around:.1f}".ljust(6), "dim not bold")

        return column(f"recall %\n@{budget:,}", show, budget)

    def percent(value: float | None) -> str:
        return "" if value is None else f"{100 * value:.1f}"

    def cited(row: Row) -> str:
        return f"{percent(row['citation_precision'])} / {percent(row['citation_recall'])}"

    def sizes(row: Row) -> str:
        return "".join(f"{row[f'chunk_tokens_{at}']:5.0f}" for at in ("p5", "median", "p95"))

    def chunks(row: Row) -> Text:
        return Text(f"{row['chunks']:,}").append(f" x{row['chunk_tokens']:.0f}".ljust(5), "dim")

    made: list[Column] = []
    if known("recall"):
        made += [recall(budget) for budget in budgets]
        made.append(column(f"precision\n@{middle:,}", lambda row: f"{100 * row['precision']:.1f}"))
        made.append(column(f"IoU\n@{middle:,}", lambda row: f"{100 * row['iou']:.1f}"))
    if known("ndcg@10"):
        made += [column("nDCG\n@10", share("ndcg@10")), column("docs\n@10", share("recall@10"))]
    if known("boundary_f1"):
        made += [column("cut\nF1", share("boundary_f1")), column("\nPk", share("boundary_pk"))]
    if known("kept_whole"):
        made.append(column("kept\nwhole", share("kept_whole")))
    if known("precision_omega"):
        made.append(column("omega\n", lambda row: percent(row["precision_omega"])))
    if known("clarity"):
        made.append(column("clarity\n", share("clarity")))
    if known("stickiness"):
        made.append(column("sticki-\nness", share("stickiness")))
    if known("answer_f1"):
        made.append(column(f"answer F1\n@{middle:,}", lambda row: percent(row["answer_f1"])))
    if known("citation_recall"):
        made.append(column(f"cited P/R\n@{middle:,}", cited))
    if known("chunk_tokens_p5"):
        made.append(column("tokens of chunks\n5 % 50 % 95 %", sizes))
    return [
        *made,
        column(f"tokens\n@{middle:,}", lambda row: f"{row['tokens']:,.0f}"),
        column("chunks\n ", chunks),
        column("index\n ", lambda row: seconds(row["index_seconds"])),
        column("question\nms", lambda row: f"{row['question_ms']:.0f}"),
        column("memory\nMB", lambda row: f"{row['memory_mb']:.0f}"),
    ]


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
