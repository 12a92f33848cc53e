"""Chunks of a text that is never held whole."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from chunkwise.segment import Segmenter, chunks
from chunkwise.segment.fit import clean
from chunkwise.units import Chunk, Document, LineMap, Span

if TYPE_CHECKING:
    from chunkwise.tokens import Tokenizer

BLOCK = 2**21  # characters
_AHEAD = 3  # times its length is as far as a chunk's end may depend on what follows its beginning


def stream(
    pieces: Iterable[str],
    segmenter: Segmenter,
    tokenizer: Tokenizer,
    *,
    doc_id: str = "",
    media_type: str = "text/plain",
    block: int = BLOCK,
) -> Iterator[Chunk]:
    """The chunks of the text that `pieces` join to, each as soon as it is settled; memory for a few blocks.

    pieces: of any length, such as `read.pieces(path)` gives. Spans are offsets into the whole text. They are the very
    spans that the whole would be cut into where the cut goes from left to right and looks back at nothing, as
    `recursive` and `fixed` do without overlap, and a line or a word ends at the end of some chunk in each `block`
    characters; other cuts tile the text, too, but see a block at a time. So do a chunk's kind and path. The text's hash
    is known only at its end, so the document's id is what the caller says.
    """
    rest, begun = "", 0
    for piece, last in _blocks(pieces, block):
        text = rest + piece
        made = chunks(
            Document(doc_id, text, "<stream>", media_type, lines=LineMap()), segmenter, tokenizer.offsets(text)
        )
        done = len(made) if last else _settled(text, made)
        for chunk in made[:done]:
            yield replace(chunk, span=Span(chunk.span.start + begun, chunk.span.end + begun))
        cut = made[done - 1].span.end if done else 0
        rest, begun = text[cut:], begun + cut


def _settled(text: str, made: list[Chunk]) -> int:
    """How many of the chunks stay as they are whatever comes after `text`, up to one after which a token begins.

    Half of them where there is none such: then the text goes on as if it began there.
    """
    known = len(text) - 1
    while known > len(text) // 2 and not clean(
        text, known
    ):  # a word cut short by the block's end may have other tokens
        known -= 1
    for at in range(len(made) - 1, -1, -1):
        start, end = made[at].span
        if start + _AHEAD * (end - start) <= known and clean(text, end):
            return at + 1
    return len(made) // 2


def _blocks(pieces: Iterable[str], size: int) -> Iterator[tuple[str, bool]]:
    """The pieces joined to strings of at least `size` characters, each with whether it is the last one."""
    held: list[str] = []
    length = 0
    ready = ""
    for piece in pieces:
        held.append(piece)
        length += len(piece)
        if length >= size:
            if ready:
                yield ready, False
            ready, held, length = "".join(held), [], 0
    if ready and held:
        yield ready, False
        ready = ""
    yield ready or "".join(held), True
