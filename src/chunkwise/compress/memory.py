"""Memory: what is kept of a stream of passages, typed, under keys, within a bound, and told so that prompts share it.

After "Long-Range Tasks Using Short-Context LLMs: Incremental Reasoning With Structured Memories". The form of the edits
and what is forgotten first are our reconstruction.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from chunkwise.asking import MATERIAL, Asking, fenced
from chunkwise.compress.statement import Statement
from chunkwise.tokens import Tokenizer
from chunkwise.units import Passage

_HEAD = """\
You read a long text part by part and keep a memory of what helps to answer a question, since you will not see a part
again. The memory has entries of these types: {types}. Each stands under its type and a short key.
The question: {query}
The memory so far stands below, then the next part. Reply with edits alone, one to a line:
SET type/key: value      a new entry, or a new value for one that is there
DROP type/key            what has proved wrong or idle
NONE                     nothing to keep of this part
A value is one line; keep names and numbers to the letter. An entry that is set again counts as it was set last.
{material}
MEMORY
"""
_EDIT = re.compile(
    r"^[ \t*`-]*(SET|DROP)[ \t]+([\w -]{1,40}?)[ \t]*/[ \t]*([^:\n`]{1,80}?)[ \t]*(?::[ \t]*(.*?))?[ \t`]*$",
    re.MULTILINE,
)
_NONE = re.compile(r"[\s*`\"]*NONE[\s*`.\"]*", re.IGNORECASE)
MOST_EDITS = 32  # of one reply


class Edit(NamedTuple):
    """A key with its type, and what is set there; None to drop it."""

    key: str
    value: str | None


def edits(reply: str, types: Sequence[str]) -> list[Edit] | None:
    """The edits that a reply lists, none for "NONE"; None where it lists none that can be read."""
    found = []
    for action, kind, key, value in _EDIT.findall(reply):
        kind, value = kind.casefold(), " ".join(value.split())
        if kind in types and (value or action == "DROP"):
            found.append(Edit(f"{kind}/{' '.join(key.split())}", value if action == "SET" else None))
    return found[:MOST_EDITS] or ([] if _NONE.fullmatch(reply) else None)


class Memory:
    """Entries under keys, at most `bound` tokens as told.

    It is told as it was written: a new value stands behind the old one, which stays until the room is needed, so that
    of two tellings one after the other the first is the beginning of the second. When the room is full, what was
    overwritten goes; then the entries that `worth` makes least of, the oldest first.
    """

    def __init__(self, bound: int, worth: Callable[[str], float], tokenizer: Tokenizer) -> None:
        self._bound, self._worth, self._tokenizer = bound, worth, tokenizer
        self._log: list[tuple[str, Statement | None]] = []

    def write(self, key: str, statement: Statement | None) -> None:
        """Set the key's value, or drop it; a value that alone is over the bound is not taken."""
        fits = statement is not None and self._tokenizer.count(f"{statement.text}\n") <= self._bound
        if fits or (statement is None and key in self._live()):
            self._log.append((key, statement))
            self._make_room()

    @property
    def text(self) -> str:
        """The memory as a prompt tells it, a line for each entry."""
        return "".join(self._lines())

    @property
    def tokens(self) -> int:
        """Of `text`."""
        return self._tokenizer.count(self.text)

    @property
    def statements(self) -> list[Statement]:
        """The entries that hold, the oldest first."""
        return [statement for statement in self._live().values() if statement is not None]

    def _live(self) -> dict[str, Statement | None]:
        held: dict[str, Statement | None] = {}
        for key, statement in self._log:
            held.pop(key, None)
            if statement is not None:
                held[key] = statement
        return held

    def _lines(self) -> Iterator[str]:
        for key, statement in self._log:
            yield f"DROP {key}\n" if statement is None else f"{statement.text}\n"

    def _make_room(self) -> None:
        if self.tokens <= self._bound:
            return
        self._log = list(self._live().items())
        while self._log and self.tokens > self._bound:
            worths = [self._worth(statement.text) for _, statement in self._log if statement is not None]
            del self._log[worths.index(min(worths))]


def remembered(
    passages: Sequence[Passage],
    query: str,
    types: Sequence[str],
    memory: Memory,
    fallback: Callable[[int], Sequence[Statement]],
    asking: Asking,
) -> None:
    """Read the passages one by one into the memory by a model's edits; where they cannot be had, by `fallback`."""
    head = _HEAD.format(types=", ".join(types), query=" ".join(query.split()), material=MATERIAL)
    for number, passage in enumerate(passages):
        if not passage.text.strip():
            continue
        reply = asking(f"{head}{memory.text}{fenced(passage.text)}")
        read = None if reply is None else edits(reply, types)
        if read is None:
            if reply is not None:
                asking.misread()
            for place, statement in enumerate(fallback(number), 1):
                memory.write(f"quote/{number + 1}.{place}", statement)
            continue
        for key, value in read:
            memory.write(key, None if value is None else Statement(f"{key}: {value}", (number,)))
