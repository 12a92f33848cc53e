"""Results as a person reads them, and as a program does."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from chunkwise.ask import Answer
    from chunkwise.cli.last import LastPack, Row
    from chunkwise.index import Report
    from chunkwise.pack import Flag, Pack
    from chunkwise.prompt import Reuse
    from chunkwise.read import Skipped
    from chunkwise.recipe import Recipe

Stream = Literal["stdout", "stderr"]
FEW = 3  # reasons that are shown of files passed over
BEST_DROPPED = 10
QUOTED = 100  # characters of a stretch that is warned of
WIDE = 160  # columns of a table that goes into a pipe

# What a document or a model says must not steer the terminal.
_steering = {code: "\ufffd" for code in (*range(0x20), *range(0x7F, 0xA0)) if chr(code) not in "\n\t\r"} | {13: None}


def is_terminal(stream: Stream) -> bool:
    """Whether a person looks at the stream."""
    return bool(getattr(sys, stream).isatty())


def out(text: str, end: str = "\n") -> None:
    """Text to stdout: to the character into a pipe, without control characters to a terminal."""
    sys.stdout.write((text.translate(_steering) if is_terminal("stdout") else text) + end)
    sys.stdout.flush()


def out_json(value: Any) -> None:
    """One JSON value to stdout, in UTF-8; lone surrogates are escaped."""
    text = json.dumps(value, ensure_ascii=False, indent=2)
    sys.stdout.flush()
    sys.stdout.buffer.write(f"{text}\n".encode("utf-8", "backslashreplace"))
    sys.stdout.buffer.flush()


def note(message: str) -> None:
    """A line beside the result, on stderr; what stands before its colon is the kind: error, warning."""
    message = message.translate(_steering)
    if not is_terminal("stderr"):
        sys.stderr.write(f"{message}\n")
        return
    from rich.text import Text

    text = Text(message)
    for kind, style in (("error:", "bold red"), ("failed:", "bold red"), ("warning:", "bold yellow")):
        text.highlight_words([kind] if message.startswith(kind) else [], style)
    styled = console("stderr")
    with styled.capture() as made:
        styled.print(text)
    sys.stderr.write(made.get())  # a bar that is being shown takes this stream's place, and stands below the line


def aside(message: str) -> None:
    """A quiet line on stderr: what it cost."""
    if not is_terminal("stderr"):
        sys.stderr.write(f"{message}\n")
        return
    console("stderr").print(message, style="dim", markup=False)


def console(stream: Stream = "stdout") -> Console:
    """A Rich console of that stream; a pipe gets wide tables without colour."""
    from rich.console import Console

    width = None if is_terminal(stream) or "COLUMNS" in os.environ else WIDE
    return Console(stderr=stream == "stderr", highlight=False, width=width)


def bill(pack: Pack, seconds: float, answer: Answer | None = None, again: Reuse | None = None) -> str:
    """What a pack cost: `1,243 of 1,500 tokens · 6 passages of 4 documents · 400 chunks considered · 0.41 s`.

    again: what of the prompt was read before, where it goes on from another.
    """
    sources = len({passage.source for passage in pack.passages})
    parts = [
        f"{pack.tokens:,} of {pack.budget.tokens:,} tokens",
        f"{count(len(pack.passages), 'passage')} of {count(sources, 'document')}",
        f"{count(len(pack.trace.considered), 'chunk')} considered",
    ]
    if pack.trace.before is not None:
        parts.insert(1, f"compressed from {pack.trace.before:,}")
    if again is not None:
        saved = f", {again.saved:.6f} saved" if again.saved else ""
        parts.append(f"{again.cached:,} of {again.tokens:,} prompt tokens ({again.share:.0%}) read before{saved}")
    if answer is not None and answer.usage is not None:
        parts.append(f"{answer.model} read {answer.usage.prompt_tokens:,}, wrote {answer.usage.completion_tokens:,}")
    return " · ".join([*parts, f"{seconds:.2f} s"])


def citations(answer: Answer) -> None:
    """Where the answer stands, a line each, and a warning for what it cites that is not there."""
    ordered = sorted(answer.citations, key=lambda citation: (citation.number, citation.span))
    if ordered:
        out("")
    for number, cite, source in dict.fromkeys((one.number, one.cite, one.source) for one in ordered):
        if is_terminal("stdout"):
            from rich.text import Text

            link = Path(source).as_uri() if Path(source).is_absolute() else ""
            shown = Text(f"[{number}] ", "bold cyan").append(_tame(cite), f"link {link}" if link else "")
            console().print(shown, soft_wrap=True)
        else:
            out(f"[{number}] {cite}")
    if answer.invented:
        marks = ", ".join(f"[{number}]" for number in answer.invented)
        note(f"warning: {marks} is invented: the context has no such passage")


def flagged(flags: Sequence[Flag]) -> None:
    """A warning for each stretch of a passage that reads as an instruction to the model."""
    for number, _, text, reason in flags:
        said = text if len(text) <= QUOTED else f"{text[: QUOTED - 1].rstrip()}…"
        note(f"warning: [{number}] {reason}, and is fenced: {' '.join(said.split())}")


def indexed(report: Report, into: Path, roots: Sequence[str]) -> None:
    """What a run of `index` did."""
    again = f" ({len(report.unanswered):,} to be cut again by the next run)" if report.unanswered else ""
    added = f"{report.added:,} new or changed{again}"
    documents = [added, f"{report.unchanged:,} unchanged", f"{report.removed:,} removed"]
    size = f"{report.characters / 1e6:,.1f} MB" if report.characters >= 5e4 else f"{report.characters:,} characters"
    out(
        f"{into}: documents: {', '.join(documents)}\n"
        f"{count(report.chunks, 'chunk')} written from {size} in {report.seconds:.1f} s"
    )
    if report.skipped:
        few = "; ".join(_because(file, roots) for file in report.skipped[:FEW])
        more = "; ..." if len(report.skipped) > FEW else ""
        aside(f"{count(len(report.skipped), 'file')} skipped: {few}{more}")
    for failed in report.failed:
        note(f"failed: {_because(failed, roots)}")


def status(path: Path, counts: Mapping[str, int], settings: Mapping[str, str], roots: Sequence[str]) -> None:
    """What a knowledge base holds."""
    from rich.table import Table

    table = Table.grid(padding=(0, 2))
    for name, value in {
        "knowledge base": str(path),
        "made": settings.get("made", ""),
        "of": "\n".join(roots),
        **{name: f"{value:,}" for name, value in counts.items()},
        **{name: settings.get(name, "") for name in ("segmenter", "tokenizer", "vectors", "embedder")},
    }.items():
        table.add_row(_cell(name, "dim"), _cell(value))
    _print(table)


def recipes(found: Sequence[Recipe]) -> None:
    """Recipes by family, each with its claim, whose idea it is, and the test that holds it to the claim."""
    from rich.table import Table

    table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim")
    claims = "what it should be seen to do, whose idea it is, and its check"
    for name in ("family", "recipe", claims):
        table.add_column(name, no_wrap=name != claims, overflow="fold")
    family = ""
    for one in found:
        names = "\n".join((one.name, *(f"= {alias}" for alias in one.aliases)))
        about = _cell(one.claim).append(f"\n{one.seed}\n{one.check}", "dim")
        table.add_row(_cell(one.family if one.family != family else "", "bold"), _cell(names, "cyan"), about)
        family = one.family
    _print(table)


def explained(last: LastPack, everything: bool) -> None:
    """The last pack as a table: what was taken, in that order, then the best of what was left out."""
    from rich.table import Table

    kept = [row for row in last.rows if row.kept]
    dropped = [row for row in last.rows if not row.kept]
    table = Table(box=None, padding=(0, 1, 0, 0), pad_edge=False, header_style="dim")
    table.add_column("#", justify="right")
    table.add_column("chunk", overflow="fold", ratio=3)
    for name in ("score", "gain", "cost", "total"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("why", ratio=2)
    for row in kept:
        table.add_row(*_cells(row, ""))
    shown = dropped if everything else dropped[:BEST_DROPPED]
    if kept and shown:
        table.add_section()
        table.add_row("", _cell("left out, best first", "dim italic"))
    for row in shown:
        table.add_row(*_cells(row, "dim"))
    labels = max(0, last.tokens - sum(passage["tokens"] for passage in last.passages))
    _print(_cell(last.query, "bold"))
    _print(
        _cell(
            f"{last.tokens:,} of {last.budget:,} tokens, {labels:,} of them labels · {len(kept)} of "
            f"{count(len(last.rows), 'chunk')} taken · {last.retriever} · {last.selector} · {last.made}\n",
            "dim",
        )
    )
    _print(table)
    if len(shown) < len(dropped):
        _print(_cell(f"\nand {len(dropped) - len(shown):,} more were left out; --all shows them", "dim"))
    flagged(last.flags)
    if last.changed:
        note("warning: the index has changed since; this is what was decided then")


def _cells(row: Row, style: str) -> list[RenderableType]:
    where = _cell(row.cite, style) if row.text is not None else _cell(f"{row.cite} (gone)", "dim strike")
    if row.text is not None and Path(row.source).is_absolute():
        where.stylize(f"link {Path(row.source).as_uri()}")
    total = "" if row.total is None else f"{row.total:,}"
    numbers = (f"{row.score:.2f}", f"{row.gain:.2f}", f"{row.cost:,}", total)
    turn = _cell(str(row.turn or "·") if row.kept else "-", "bold green" if row.kept else style)
    return [turn, where, *(_cell(one, style) for one in numbers), _cell(row.reason, style)]


def _cell(text: str, style: str = "") -> Any:
    from rich.text import Text

    return Text(_tame(text), style)


def _print(what: RenderableType) -> None:
    console().print(what)


def _tame(text: str) -> str:
    return text.translate(_steering)


def _because(file: Skipped, roots: Sequence[str]) -> str:
    from chunkwise.pack import shown

    name, path = shown(file.path.as_posix(), roots), str(file.path)
    return file.reason.replace(path, name) if path in file.reason else f"{name}: {file.reason}"


def count(number: int, what: str) -> str:
    """`1 passage`, `1,243 chunks`."""
    return f"{number:,} {what}{'' if number == 1 else 's'}"
