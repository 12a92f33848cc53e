"""The last pack, kept in the knowledge base so that `explain` can say why and the next one can go on from it."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chunkwise.errors import StoreError, UserError
from chunkwise.units import Document, Part, Passage, Span, content_id

if TYPE_CHECKING:
    from chunkwise.index import Index
    from chunkwise.pack import Flag, Pack

FILE = "last.json"
VERSION = 1


@dataclass(frozen=True, slots=True)
class Row:
    """One candidate of the last pack, as decided then.

    turn: 1 for the one taken first, 0 for one that was left out or stood in the prompt before; total: tokens taken up
    to this turn, in chunks alone; text: None when it is in the index no more; lines: of its file, None where they are
    not known any more.
    """

    id: str
    source: str
    span: Span
    cite: str
    lines: tuple[int, int] | None
    kept: bool
    turn: int
    score: float
    gain: float
    cost: int
    total: int | None
    reason: str
    text: str | None

    def json(self) -> dict[str, Any]:
        """The row as `chunkwise explain --json` shows it."""
        return {
            "id": self.id, "source": self.source, "start": self.span.start, "end": self.span.end, "kept": self.kept,
            "score": self.score, "gain": self.gain, "cost": self.cost, "reason": self.reason, "turn": self.turn,
            "total": self.total, "cite": self.cite, "text": self.text,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class LastPack:
    """What was asked, what was decided, and what of it the index still holds.

    rows: those taken in the order of taking, then the others, best first; passages: as `pack --json` shows them; flags:
    what in the passages reads as an instruction to the model; changed: whether the index has changed since; documents:
    those of the rows that it holds, by source; names: what sources are called where a person reads them.
    """

    query: str
    budget: int
    tokens: int
    made: str
    retriever: str
    selector: str
    changed: bool
    passages: tuple[Mapping[str, Any], ...]
    flags: tuple[Flag, ...]
    rows: tuple[Row, ...]
    documents: Mapping[str, Document]
    names: Mapping[str, str]

    def json(self) -> dict[str, Any]:
        """The explanation as `chunkwise explain --json` shows it."""
        return {
            "query": self.query, "budget": self.budget, "tokens": self.tokens, "made": self.made,
            "retriever": self.retriever, "selector": self.selector, "changed": self.changed,
            "passages": list(self.passages), "decisions": [row.json() for row in self.rows],
            "flags": [flag.json() for flag in self.flags],
        }  # fmt: skip


def keep(index: Index, pack: Pack, retriever: str, selector: str) -> None:
    """Remember the pack beside the index; where that cannot be written, do without."""
    noted = {
        "version": VERSION,
        "generation": str(index.corpus().snapshot.generation),
        "made": time.strftime("%Y-%m-%dT%H:%M:%S"),
        "retriever": retriever,
        "selector": selector,
        "turns": [one.decision.turn for one in pack.trace.considered],
        "shown": [{"chunks": one.chunks, "cite": one.cite, "path": one.path} for one in pack.passages],
        "pack": pack.json(),
    }
    waiting = index.path / f".{FILE}.{os.getpid()}"
    with contextlib.suppress(OSError):
        try:
            waiting.write_bytes(json.dumps(noted).encode())
            waiting.replace(index.path / FILE)
        finally:
            waiting.unlink(missing_ok=True)


def load(index: Index) -> LastPack:
    """The last pack of this knowledge base. Raises UserError when there is none, or none that can be read."""
    noted = _read(index.path / FILE)
    from chunkwise.pack import Flag, shown

    pack, documents, roots = noted["pack"], _documents(index, noted["pack"]), index.roots
    names = {decision["source"]: shown(decision["source"], roots) for decision in pack["decisions"]}
    decided = sorted(
        zip(pack["decisions"], noted["turns"], strict=True),
        key=lambda one: (not one[0]["kept"], one[1], -one[0]["score"]),
    )
    totals = accumulate(decision["cost"] for decision, _ in decided)
    rows = tuple(
        _row(decision, turn, total, documents.get(decision["source"]), names[decision["source"]])
        for (decision, turn), total in zip(decided, totals, strict=True)
    )
    flags = tuple(
        Flag(one["passage"], Span(one["start"], one["end"]), one["text"], one["reason"])
        for one in pack.get("flags", ())  # packs of before there were flags
    )
    return LastPack(
        pack["query"], pack["budget"], pack["tokens"], noted["made"], noted["retriever"], noted["selector"],
        noted["generation"] != index.settings["generation"], tuple(pack["passages"]), flags, rows, documents, names,
    )  # fmt: skip


def to_follow(index: Index) -> Pack | None:
    """The last pack with its passages as its prompt showed them; None where there is none that can be read."""
    from chunkwise.budget import Budget
    from chunkwise.pack import Pack, Trace
    from chunkwise.prompt import context

    try:
        noted = _read(index.path / FILE)
        pack, told = noted["pack"], zip(noted["pack"]["passages"], noted["shown"], strict=True)
        passages = tuple(_passage(one, shown) for one, shown in told)
        budget = Budget(pack["budget"])
        return Pack(pack["query"], budget, context(passages), passages, pack["tokens"], Trace((), {}))
    except (UserError, ValueError, KeyError, TypeError):
        return None


def _passage(one: Mapping[str, Any], shown: Mapping[str, Any]) -> Passage:
    first, last = one["lines"]
    parts = tuple(Part(at, Span(start, end)) for at, start, end in one["parts"]) if "parts" in one else None
    return Passage(
        tuple(shown["chunks"]), one["source"], Span(one["start"], one["end"]), (first, last), shown["cite"],
        one["text"], one["tokens"], one["score"], tuple(shown["path"]), parts,
    )  # fmt: skip


def _read(path: Path) -> dict[str, Any]:
    try:
        noted: dict[str, Any] = json.loads(path.read_bytes())
        if noted["version"] != VERSION:
            raise ValueError("of another version")
    except FileNotFoundError:
        raise UserError(
            f'{path.parent} has no pack to explain yet; make one with: chunkwise pack "..." --kb {path.parent}'
        ) from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} cannot be read ({error}); pack or ask again, which writes it anew") from error
    return noted


def _documents(index: Index, pack: Mapping[str, Any]) -> dict[str, Document]:
    found: dict[str, Document] = {}
    for source in {decision["source"]: None for decision in pack["decisions"]}:
        with contextlib.suppress(StoreError):  # forgotten since
            found[source] = index.document(source)
    return found


def _row(decision: Mapping[str, Any], turn: int, total: int, document: Document | None, cite: str) -> Row:
    span, lines = Span(decision["start"], decision["end"]), None
    text = document.text[slice(*span)] if document else ""
    there = document is not None and content_id(text) == decision["id"]
    if document is not None and there:
        cite, lines = document.lines.cite(cite, span), document.lines.range(span)
    return Row(
        decision["id"], decision["source"], span, cite, lines, decision["kept"], turn, decision["score"],
        decision["gain"], decision["cost"], total if decision["kept"] else None, decision["reason"],
        text if there else None,
    )  # fmt: skip
