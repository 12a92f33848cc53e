"""Server-sent events: bytes as they come off the wire to the data of each event."""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterable, Iterator

_LINE_END = re.compile(r"\r\n|\n|\r(?!\Z)")  # a return at the very end may be half of a CRLF


def event_data(chunks: Iterable[bytes]) -> Iterator[str]:
    """The data of each event, its `data:` lines joined; comments and other fields are passed over.

    Chunks may be cut anywhere, within a character too. Bytes that are not UTF-8 become U+FFFD. An event that the end
    of the stream leaves without its blank line counts.
    """
    data: list[str] = []
    for line in _lines(chunks):
        field, _, value = line.partition(":")
        if field == "data":
            data.append(value.removeprefix(" "))
        elif not line and data:
            yield "\n".join(data)
            data = []
    if data:
        yield "\n".join(data)


def _lines(chunks: Iterable[bytes]) -> Iterator[str]:
    decoder = codecs.getincrementaldecoder("utf-8-sig")("replace")
    pending: list[str] = []
    for chunk in chunks:
        text = decoder.decode(chunk)
        if not text:
            continue
        pending.append(text)
        if "\n" in text or "\r" in text or pending[0].endswith("\r"):
            *whole, rest = _LINE_END.split("".join(pending))
            yield from whole
            pending = [rest] if rest else []
    pending.append(decoder.decode(b"", final=True))
    yield from _LINE_END.split("".join(pending).removesuffix("\r"))
