"""A tuning as a person reads it: the front, what it would choose, how sure it is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from chunkwise.cli import show

if TYPE_CHECKING:
    from chunkwise.compare import Material
    from chunkwise.evaluate import Pipeline
    from chunkwise.tune import Point, Tuned


def tuned(found: Tuned, material: Material) -> None:
    """The table of the finalists, the front in it, the choice, the notes."""
    from rich.table import Table
    from rich.text import Text

    from chunkwise.compare.report import seconds
    from chunkwise.evaluate import interval
    from chunkwise.tune import front, points

    held = points(found.held_out)
    by_tokens, by_time = front(held), front([one for one in held if one.budget == found.budget], "milliseconds")
    names = _names(found)
    of = show.count(len(material.dataset.documents), "document")
    show.out(
        f"{material.dataset.name}: {of}; {show.count(len(found.tried), 'pipeline')} tried, the finalists on "
        f"{show.count(found.questions, 'held-out question')}\n"
    )
    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim", show_edge=False)
    table.add_column("pipeline", overflow="fold", ratio=1)
    for head in ("budget", "tokens", "recall %", "ms", "index"):
        table.add_column(head, justify="right", no_wrap=True)
    table.add_column("on the front", no_wrap=True)
    cells = {(cell.pipeline, cell.budget): cell for cell in found.held_out}
    for point in sorted(held, key=lambda one: (one.budget, -one.recall)):
        cell = cells[point.pipeline, point.budget]
        mean, low, high = interval(cell.recall)
        fronts = [word for word, those in (("tokens", by_tokens), ("time", by_time)) if point in those]
        chosen = found.choice is not None and point.pipeline == found.choice.pipeline
        recall = Text(f"{100 * mean:.1f}", "bold green" if fronts else "")
        table.add_row(
            Text(names[point.pipeline], "bold cyan" if chosen else "cyan"), f"{point.budget:,}", f"{point.tokens:,.0f}",
            recall.append(f" ±{50 * (high - low):.1f}".ljust(6), "dim not bold"), f"{point.milliseconds:.0f}",
            seconds(cell.index_seconds), ", ".join(fronts),
        )  # fmt: skip
    show.console().print(table)
    if found.choice is not None:
        show.out("")
        for number, line in enumerate(found.choice.why):
            show.console().print(f"{'Choice: ' if not number else ''}{line}.", markup=False)
    for cell in found.held_out:
        if cell.budget == found.budget:
            for warning in cell.warnings:
                show.note(f"warning: {cell.pipeline.name}: {warning}")
    if not found.finished:
        show.aside("note: the time ran out before the search was through; the same command goes on with what is there")
    for note in material.notes:
        show.aside(f"note: {note}")
    for file in material.failed:
        show.note(f"failed: {file.reason}")


def json_report(found: Tuned, notes: tuple[str, ...]) -> dict[str, Any]:
    """The tuning as `chunkwise tune --json` shows it."""
    from chunkwise.tune import front, points

    held = points(found.held_out)
    full = [one for one in held if one.budget == found.budget]
    choice = found.choice
    return {
        "budget": found.budget,
        "questions": found.questions,
        "finished": found.finished,
        "tried": [_json(one) for one in points(found.tried)],
        "held_out": [_json(one) for one in held],
        "front": {
            "tokens": [_json(one) for one in front(held)],
            "milliseconds": [_json(one) for one in front(full, "milliseconds")],
        },
        "choice": None if choice is None else {**_parts(choice.pipeline), "sure": choice.sure, "why": list(choice.why)},
        "notes": list(notes),
    }  # fmt: skip


def write_plot(found: Tuned, name: str, path: Path) -> None:
    """Recall against tokens, and against time, as one picture."""
    from chunkwise.evaluate.fronts import Panel, draw_fronts
    from chunkwise.tune import front, points

    held = points(found.held_out)
    full = [one for one in held if one.budget == found.budget]
    names = _names(found)
    order = list(names)

    def panel(axis: str, cost: str, shown: list[Point], leading: list[Point]) -> Panel:
        at = [(float(getattr(one, cost)), 100 * one.recall, order.index(one.pipeline)) for one in shown]
        return Panel(axis, tuple(at), tuple((float(getattr(one, cost)), 100 * one.recall) for one in leading))

    panels = [
        panel("tokens that the reader is given", "tokens", held, front(held)),
        panel(f"milliseconds a question at {found.budget:,} tokens", "milliseconds", full, front(full, "milliseconds")),
    ]
    chosen = order.index(found.choice.pipeline) if found.choice is not None else -1
    told = f"{show.count(found.questions, 'held-out question')}; the line: what nothing beats; ringed: the choice"
    draw_fronts(panels, list(names.values()), chosen, f"Tuned on {name}", told, path)


def _names(found: Tuned) -> dict[Pipeline, str]:
    from chunkwise.evaluate import labels

    order = tuple(dict.fromkeys(cell.pipeline for cell in found.held_out))
    return dict(zip(order, labels(order)[0], strict=True))


def _json(point: Point) -> dict[str, Any]:
    return {
        **_parts(point.pipeline), "budget": point.budget, "tokens": point.tokens,
        "milliseconds": point.milliseconds, "recall": round(point.recall, 4),
    }  # fmt: skip


def _parts(pipeline: Pipeline) -> dict[str, str]:
    return {name: getattr(pipeline, name) for name in ("segment", "embed", "retrieve", "select", "compress")}
