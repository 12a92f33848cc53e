"""Sets that know where the parts of a text begin."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator
from pathlib import Path

from chunkwise.errors import ReadError, SkippedWarning
from chunkwise.evaluate.dataset import Dataset
from chunkwise.evaluate.sets.quotes import places
from chunkwise.evaluate.sets.rows import content, records
from chunkwise.units import Document, Span

_HEADING = re.compile(r" {0,3}#{1,6}[ \t]+(.+?)[ \t#]*$")
_FENCE = re.compile(r" {0,3}(`{3,}|~{3,})")
_MARKUP = re.compile(r"[*_`\\]+|!?\[|\]\([^)]*\)")


def chapter_boundaries(folder: Path) -> Dataset:
    """Books without their headings; boundaries: where a chapter's first paragraph begins."""
    documents, boundaries = [], {}
    for row in records(folder / "books.jsonl"):
        documents.append(Document.of(row["text"], row["id"], title=row["title"], author=row["author"]))
        boundaries[row["id"]] = tuple(part["start"] for part in row["boundaries"] if part["start"] > 0)
    return Dataset("chapter_boundaries", tuple(documents), boundaries=boundaries)


def layout_docs(folder: Path) -> Dataset:
    """HTML, PDF, XML and Markdown files as chunkwise reads them, and the documentation of some projects.

    boundaries: where a heading begins. Of a file that is no Markdown itself they are the headings of its reference
    Markdown, each looked for in the text after the one before; one that is not spelt there is left out. wholes: fenced
    code and tables with pipes, of Markdown alone.
    """
    from chunkwise.read import read

    documents, boundaries, wholes = [], {}, {}
    for row in records(folder / "index.jsonl"):
        try:
            document = read(folder / row["file"], source=row["file"])
        except ReadError as error:
            warnings.warn(SkippedWarning(f"layout_docs: left out, {error}"), stacklevel=2)
            continue
        documents.append(document)
        if document.media_type == "text/markdown":
            starts, kept = _of_markdown(document.text)
        else:
            starts, kept = [*_headings_in(document.text, content(folder / row["gold_md"]))], []
        boundaries[document.source], wholes[document.source] = tuple(starts), tuple(kept)
    for row in records(folder / "md_docs.jsonl"):
        documents.append(
            Document.of(row["text"], row["id"], "text/x-rst" if row["id"].endswith("rst") else "text/markdown")
        )
        if documents[-1].media_type == "text/markdown":
            starts, kept = _of_markdown(row["text"])
            boundaries[row["id"]], wholes[row["id"]] = tuple(starts), tuple(kept)
    return Dataset("layout_docs", tuple(documents), boundaries=boundaries, wholes=wholes)


def _of_markdown(text: str) -> tuple[list[int], list[Span]]:
    """Where headings begin (0 left out), and the spans of fenced code and of tables."""
    starts, wholes = [], []
    fence, begun, table = "", 0, 0  # the fence that is open and where it began; where the lines with pipes began
    at = 0
    for line in text.splitlines(keepends=True):
        mark = _FENCE.match(line)
        if fence:
            if mark and mark[1].startswith(fence) and not line[mark.end() :].strip():
                wholes.append(Span(begun, at + len(line)))
                fence = ""
        elif mark:
            fence, begun = mark[1], at
        elif at and _HEADING.match(line.rstrip("\r\n")):
            starts.append(at)
        piped = not fence and line.lstrip().startswith("|")
        if not piped:
            if table < at and text[table:at].count("\n") > 1:
                wholes.append(Span(table, at))
            table = at + len(line)
        at += len(line)
    if table < at and text[table:at].count("\n") > 1:
        wholes.append(Span(table, at))
    return starts, sorted(wholes)


def _headings_in(text: str, markdown: str) -> Iterator[int]:
    """Where in `text` each heading of `markdown` stands, looked for in order."""
    after = 0
    for line in markdown.splitlines():
        heading = _HEADING.match(line)
        found = next(places(text, _MARKUP.sub("", heading[1]), after), None) if heading else None
        if found is not None:
            if found.start:
                yield found.start
            after = found.end
