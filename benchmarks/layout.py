"""How often a heading, a table, a list or a code block is cut, on documents with a reference structure.

    python -m benchmarks.layout --data DIR

DIR holds index.jsonl (file, gold_md), the files it names and their reference Markdown, and md_docs.jsonl.gz (text),
Markdown that is its own reference. XML is left out: no reader here lays it out. A block is counted where its words
stand in the document one after the other as they do in the reference, and it is within the size; it is cut when no
chunk holds all of them. A heading counts with the first words of what follows it. Writes results/layout.md and .json.
"""

from __future__ import annotations

import argparse
import gzip
import json
import re
import sys
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from benchmarks.machine import RESULTS, as_markdown, setting

SIZES = (128, 256, 512)
RECIPES = ("fixed", "recursive", "s2-chunking", "vision-guided-chunking")
KINDS = ("heading", "table", "list", "code")
_WORD = re.compile(r"[^\W_]+")
_FENCE = re.compile(r"^ *(```|~~~)")
_ITEM = re.compile(r"^ *(?:[-*+]|\d{1,3}[.)]) +\S")


class Block(NamedTuple):
    """A block of a reference and its words."""

    kind: str
    words: list[str]


def blocks(markdown: str) -> Iterator[Block]:
    """The headings, tables, lists and fenced code of a reference, by its lines alone."""
    markdown = re.sub(r"<!--.*?-->", "", markdown, flags=re.DOTALL)
    lines = markdown.split("\n")
    at = 0
    while at < len(lines):
        begin, line = at, lines[at]
        at += 1
        if fence := _FENCE.match(line):
            while at < len(lines) and not lines[at].lstrip().startswith(fence[1]):
                at += 1
            yield Block("code", words("\n".join(lines[begin + 1 : at])))
            at += 1
        elif line.startswith("#"):
            after = next((ahead for ahead in lines[at:] if _WORD.search(ahead)), "")
            yield Block("heading", words(line) + words(after)[:3])
        elif line.lstrip().startswith("|"):
            while at < len(lines) and lines[at].lstrip().startswith("|"):
                at += 1
            yield Block("table", words("\n".join(lines[begin:at])))
        elif _ITEM.match(line):
            while at < len(lines) and (_ITEM.match(lines[at]) or re.match(r" +\S", lines[at])):
                at += 1
            yield Block("list", words("\n".join(lines[begin:at])))


def words(markdown: str) -> list[str]:
    """The words of some Markdown as they are read, targets of links left out."""
    return _WORD.findall(unescape(re.sub(r"\]\([^)\s]*\)", "]", markdown)))


class Case(NamedTuple):
    """A document and the spans of its reference's blocks in it."""

    name: str
    document: Any
    offsets: Any
    spans: list[tuple[str, int, int]]
    missing: int


def cases(folder: Path) -> Iterator[Case]:
    """The documents, read as an index reads them."""
    from chunkwise.read import read
    from chunkwise.units import Document

    for line in (folder / "index.jsonl").read_text(encoding="utf-8").splitlines():
        about = json.loads(line)
        if about["file"].endswith("xml"):
            continue
        gold = (folder / about["gold_md"]).read_text(encoding="utf-8")
        yield case(about["file"].rpartition(".")[2], read(folder / about["file"]), gold)
    with gzip.open(folder / "md_docs.jsonl.gz", "rt", encoding="utf-8") as rows:
        for row in map(json.loads, rows):
            yield case("md", Document.of(row["text"], row["id"], "text/markdown"), row["text"])


def case(name: str, document: Any, gold: str) -> Case:
    """The reference's blocks found in the document, each after the one before it."""
    from chunkwise.tokens import tokenizer

    found = list(_WORD.finditer(document.text))
    joined = " " + " ".join(word[0] for word in found) + " "
    begins = [0, *np.cumsum([len(word[0]) + 1 for word in found]).tolist()]
    spans: list[tuple[str, int, int]] = []
    at = missing = 0
    for kind, some in blocks(gold):
        if not some:
            continue
        place = joined.find(f" {' '.join(some)} ", at)
        if place < 0:
            missing += 1
            continue
        first = bisect_right(begins, place) - 1
        spans.append((kind, found[first].start(), found[first + len(some) - 1].end()))
        at = place + 1
    return Case(name, document, tokenizer().offsets(document.text), spans, missing)


def main() -> None:
    """Measure, and write the two files."""
    from chunkwise.recipe import build
    from chunkwise.supplies import supplies

    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, required=True)
    chosen = options.parse_args()
    every = list(cases(chosen.data))
    rows: list[dict[str, Any]] = []
    for size in SIZES:
        for recipe in RECIPES:
            segmenter = build(f"{recipe}:size={size}", "segment", supplies("static"))
            fitting, cut, chunks, tokens = Counter[str](), Counter[str](), 0, 0
            for one in every:
                spans = segmenter(one.document, one.offsets)
                starts, ends = [span.start for span in spans], [span.end for span in spans]
                chunks, tokens = chunks + len(spans), tokens + len(one.offsets)
                for kind, start, end in one.spans:
                    if one.offsets.count(start, end) <= size:
                        fitting[kind] += 1
                        cut[kind] += ends[bisect_right(starts, start) - 1] < end
            rows.append({"size": size, "recipe": recipe, "fitting": dict(fitting), "cut": dict(cut)})
            rows[-1] |= {"chunks": chunks, "tokens a chunk": tokens / chunks}
            print(rows[-1], file=sys.stderr, flush=True)
    kinds = Counter(one.name for one in every)
    read = ", ".join(f"{count} {name}" for name, count in kinds.items())
    missing = sum(one.missing for one in every)
    about = setting("chunkwise", "numpy", "pypdf", "selectolax")
    found = {"run": about, "documents": dict(kinds), "missing": missing, "rows": rows}
    (RESULTS / "layout.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    lines = [
        "# Layout: blocks that are cut",
        "",
        f"Documents: {read}. Share of the blocks within the size",
        "that no one chunk holds; a heading counts with the first three words after it. Blocks of the references whose",
        f"words are not found in a row in the text as read: {missing}, left out.",
        "",
        f"| size | recipe | {' | '.join(f'{kind}s cut' if kind != 'code' else 'code cut' for kind in KINDS)} "
        "| chunks | tokens a chunk |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        shares = [
            f"{row['cut'].get(kind, 0) / row['fitting'][kind]:.1%} of {row['fitting'][kind]}"
            if row["fitting"].get(kind)
            else ""
            for kind in KINDS
        ]
        lines.append(
            f"| {row['size']} | {row['recipe']} | {' | '.join(shares)} | {row['chunks']} "
            f"| {row['tokens a chunk']:.0f} |"
        )
    (RESULTS / "layout.md").write_text("\n".join([*lines, "", as_markdown(about), ""]), encoding="utf-8")


if __name__ == "__main__":
    main()
