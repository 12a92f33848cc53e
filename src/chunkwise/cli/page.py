"""The last pack as one self-contained web page: the budget as a bar, the chunks coloured in their documents."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from html import escape
from importlib import resources
from string import Template

from chunkwise import __version__
from chunkwise.cli.last import LastPack, Row
from chunkwise.units import Document, Span

AROUND = 280  # characters shown on each side of a chunk
DROPPED = 30  # best of what was left out that are shown, unless all are asked for


def page(last: LastPack, everything: bool = False) -> str:
    """The page as HTML. It loads nothing from anywhere, and follows the reader's choice of light or dark.

    everything: show all that was left out, not the best of it alone.
    """
    kept = [row for row in last.rows if row.kept]
    dropped = [row for row in last.rows if not row.kept]
    shown = [*kept, *(dropped if everything else dropped[:DROPPED])]
    numbers = {row.id + row.source + str(row.span): _passage(last, row) for row in kept}
    spent = sum(passage["tokens"] for passage in last.passages)
    labels = max(0, last.tokens - spent)
    hidden = len(last.rows) - len(shown)
    template = Template(resources.files(__package__).joinpath("page.html").read_text(encoding="utf-8"))
    return template.substitute(
        title=escape(f"{last.query} - chunkwise"),
        query=escape(last.query),
        summary=escape(
            f"{last.tokens:,} of {last.budget:,} tokens, {len(kept)} of {len(last.rows)} chunks, "
            f"found by {last.retriever}, selected by {last.selector}, {last.made.replace('T', ' ')}"
        ),
        changed='<p class="changed" role="note">The index has changed since. This is what was decided then; text that'
        " is in the index no more is marked as gone.</p>"
        if last.changed
        else "",
        budget=f"{last.budget:,}",
        bar="\n".join(_bar(last, labels)),
        spent=f"{spent:,}",
        count="1 passage" if len(last.passages) == 1 else f"{len(last.passages)} passages",
        labels=f"{labels:,}",
        free=f"{last.budget - last.tokens:,}",
        articles="\n".join(_articles(last, shown, numbers)) or "<p>Nothing was found.</p>",
        rows="\n".join(_row(row, numbers.get(row.id + row.source + str(row.span), 0)) for row in shown),
        more=f"<p>And {hidden:,} more were left out; <code>chunkwise explain --all --html FILE</code> shows them.</p>"
        if hidden
        else "",
        version=__version__,
    )


def _passage(last: LastPack, row: Row) -> int:
    """The number of the passage that a kept chunk went into."""
    return next(
        (
            number
            for number, passage in enumerate(last.passages, 1)
            if passage["source"] == row.source and passage["start"] <= row.span.start < passage["end"]
        ),
        0,
    )


def _hue(number: int) -> str:
    """A hue in degrees, neighbours far apart: steps of the golden angle."""
    return f"--hue: {(220 + 137.508 * (number - 1)) % 360:.0f}"


def _bar(last: LastPack, labels: int) -> Iterator[str]:
    for number, passage in enumerate(last.passages, 1):
        lines = "-".join(map(str, dict.fromkeys(passage["lines"])))
        where = f"{last.names.get(passage['source'], passage['source'])}:{lines}"
        tip = f"[{number}] {where}\n{passage['tokens']:,} tokens, score {passage['score']:.2f}"
        yield (
            f'<li style="--tokens: {passage["tokens"]}"><a class="hue" style="{_hue(number)}" href="#passage-{number}"'
            f' data-tip="{escape(tip)}" aria-label="{escape(tip)}">{number}</a></li>'
        )
    for kind, tokens, what in (("labels", labels, "in labels"), ("free", last.budget - last.tokens, "not spent")):
        if tokens > 0:
            tip = f"{tokens:,} tokens {what}"
            text = f"{tokens:,}" if kind == "free" else ""
            yield (
                f'<li style="--tokens: {tokens}"><span class="{kind}" tabindex="0" data-tip="{tip}" role="img"'
                f' aria-label="{tip}">{text}</span></li>'
            )


def _articles(last: LastPack, rows: Sequence[Row], numbers: Mapping[str, int]) -> Iterator[str]:
    """A document each: those with passages in the order of these, then the others, best first."""
    sources = dict.fromkeys([*(passage["source"] for passage in last.passages), *(row.source for row in rows)])
    opened: set[int] = set()
    for source in sources:
        own = sorted((row for row in rows if row.source == source), key=lambda row: row.span)
        there, gone = [row for row in own if row.text is not None], [row for row in own if row.text is None]
        taken = [row for row in own if row.kept]
        name = last.names.get(source, source)
        paid = f"{len(taken)} taken for {sum(row.cost for row in taken):,} tokens, {len(own) - len(taken)} left out"
        parts = list(_windows(last.documents[source], there, numbers, opened)) if there else []
        if gone:
            parts.append(_gone(last, source, len(gone), opened))
        yield (f"<article><header><h3>{escape(name)}</h3><p>{paid}</p></header>\n" + "\n".join(parts) + "\n</article>")


def _windows(document: Document, rows: Sequence[Row], numbers: Mapping[str, int], opened: set[int]) -> Iterator[str]:
    """The text around the chunks, windows that meet joined, each chunk marked in it."""
    text = document.text
    code = "code" if document.media_type.startswith("text/x-") and document.media_type != "text/x-rst" else "prose"
    windows: list[tuple[Span, list[Row]]] = []
    for row in rows:
        around = _around(text, row.span)
        if windows and around.start <= windows[-1][0].end:
            before, inside = windows.pop()
            windows.append((Span(before.start, max(before.end, around.end)), [*inside, row]))
        else:
            windows.append((around, [row]))
    for span, inside in windows:
        first, last = document.lines.range(span)
        unit = document.lines.unit
        where = f"{unit} {first}" if first == last else f"{unit}s {first}-{last}"
        parts, at = [f'<span class="where">{where}</span>'], span.start
        for row in inside:
            start = max(at, row.span.start)
            parts.append(escape(text[at:start]))
            parts.append(_marked(text[start : row.span.end], row, numbers, opened))
            at = max(at, row.span.end)
        parts.append(escape(text[at : span.end]))
        yield f'<div class="window {code}">{"".join(parts)}</div>'


def _around(text: str, span: Span) -> Span:
    """The span and what stands around it, from the start of a line to the end of one where these are near."""
    start, end = max(0, span.start - AROUND), min(len(text), span.end + AROUND)
    line = text.find("\n", start, span.start) + 1 if start else 0
    stop = text.rfind("\n", span.end, end) if end < len(text) else end
    return Span(max(line, start), stop if stop >= 0 else end)


def _marked(text: str, row: Row, numbers: Mapping[str, int], opened: set[int]) -> str:
    body = text.rstrip()
    rest, indent = escape(text[len(body) :]), body[: len(body) - len(body.lstrip())]
    # Only what is written is coloured: an indented block would otherwise be a block of colour.
    lines = re.sub(r"(?m)^([^\S\n]*)(\S.*)$", r"\1<span>\2</span>", escape(body[len(indent) :]))
    tip = escape(f"{_heading(row)}\nscore {row.score:.2f}, gain {row.gain:.2f}, {row.cost:,} tokens\n{row.reason}")
    if not row.kept:
        return f'{indent}<span class="out" data-tip="{tip}">{lines}</span>{rest}'
    number = numbers.get(row.id + row.source + str(row.span), 0)
    anchor = "" if number in opened else f' id="passage-{number}"'
    opened.add(number)
    return (
        f'{indent}<mark style="{_hue(number)}"{anchor} tabindex="0" data-tip="{tip}"><b>{row.turn or "·"}</b>'
        f"{lines}</mark>{rest}"
    )


def _heading(row: Row) -> str:
    if not row.kept:
        return "left out"
    taken = f"taken as number {row.turn}" if row.turn else "there before"
    return f"{taken}, {row.total:,} tokens so far"


def _gone(last: LastPack, source: str, count: int, opened: set[int]) -> str:
    """What is in the index no more: the passages as they were packed, since these are kept, and a word on the rest."""
    parts = []
    for number, passage in enumerate(last.passages, 1):
        if passage["source"] == source and number not in opened:
            opened.add(number)
            parts.append(
                f'<mark style="{_hue(number)}" id="passage-{number}" tabindex="0"'
                f' data-tip="as it was packed; it is gone now"><span>{escape(passage["text"].rstrip())}</span></mark>'
            )
    chunks = "1 chunk is" if count == 1 else f"{count} chunks are"
    note = f'<span class="where">{chunks} gone: the document has changed or was forgotten since</span>'
    return f'<div class="window prose">{note}' + "\n\n".join(parts) + "</div>"


def _row(row: Row, number: int) -> str:
    gone = "" if row.text is not None else " gone"
    dot = f'<i class="dot" style="{_hue(number)}"></i>' if row.kept else ""
    total = "" if row.total is None else f"{row.total:,}"
    where = escape(row.cite) + (" (gone)" if gone else "")
    place = (
        f'{dot}<a href="#passage-{number}">{where}</a>' if row.kept else f'<span class="{gone.strip()}">{where}</span>'
    )
    return (
        f'<tr class="{"in" if row.kept else "out"}"><td class="n">{row.turn or "-"}</td><td>{place}</td>'
        f'<td class="n">{row.score:.2f}</td><td class="n">{row.gain:.2f}</td><td class="n">{row.cost:,}</td>'
        f'<td class="n">{total}</td><td>{escape(row.reason)}</td></tr>'
    )
