"""One file, or bytes from elsewhere, as a Document."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from chunkwise.errors import ReadError
from chunkwise.read.decode import decode
from chunkwise.read.layout import Reading
from chunkwise.read.media import HEAD, is_binary, of_head, of_name
from chunkwise.units import Document, LineMap, content_id


def read(path: Path | str, *, source: str | None = None) -> Document:
    """The Document of a file; `source`, which it is cited by, defaults to the absolute path with forward slashes.

    Text of any kind and source code is kept to the character, with its line ends; HTML, PDF and notebooks are laid out
    as readable text. Raises ReadError when the file is gone, locked, binary, broken, or changes while it is read.
    """
    if isinstance(path, str):
        path = Path(path)
    return parse(_content(path), source if source is not None else source_of(path))


def parse(data: bytes, source: str, media_type: str | None = None) -> Document:
    """The Document of some bytes; `media_type` defaults to what the source's name and the first bytes say.

    metadata holds "title" where the format has one, and "encoding" where it is not clean UTF-8: its name, followed by
    ", damaged" when some of the text could not be saved. Raises ReadError for what cannot be read.
    """
    media = media_type or of_name(source) or of_head(data[:HEAD])
    if media == "application/octet-stream" or is_binary(data[:HEAD]):
        raise ReadError(f"{source}: a binary file, no text to read; leave it out with --exclude")
    if media == "application/pdf":
        reading, encoding = _pdf(data, source), "utf-8"
    else:
        text, encoding = decode(data, media)
        reading = _laid_out(text, source, media)
    metadata = {"title": reading.title} if reading.title else {}
    if encoding != "utf-8":
        metadata["encoding"] = encoding
    return Document(content_id(reading.text), reading.text, source, media, metadata, reading.lines, reading.elements)


def source_of(path: Path) -> str:
    """The absolute path with forward slashes, as text: bytes of a name that are not UTF-8 are written `\\xe9`."""
    name = path.absolute().as_posix()
    return name if name.isascii() else os.fsencode(name).decode("utf-8", "backslashreplace")


def _pdf(data: bytes, source: str) -> Reading:
    from chunkwise.read.pdf import read_pdf

    return read_pdf(data, source)


def _laid_out(text: str, source: str, media: str) -> Reading:
    if media == "text/html":
        from chunkwise.read.html import read_html

        return read_html(text)
    if media == "application/x-ipynb+json":
        from chunkwise.read.notebook import read_notebook

        return read_notebook(text, source)
    return Reading(text, LineMap.of_text(text))


def _content(path: Path) -> bytes:
    """The bytes of a file that stayed the same while they were read; tried twice."""
    try:
        for _ in range(2):
            before = path.stat()
            if not stat.S_ISREG(before.st_mode):  # opening a FIFO would wait for ever
                kind = "a folder" if stat.S_ISDIR(before.st_mode) else "no regular file"
                raise ReadError(f"{path}: {kind}; give a file")
            with path.open("rb", buffering=0) as file:
                data = file.readall()
            after = path.stat()
            if (before.st_size, before.st_mtime_ns) == (after.st_size, after.st_mtime_ns):
                return data
    except FileNotFoundError as error:
        raise ReadError(f"{path}: no such file (any more); index the folder again") from error
    except PermissionError as error:
        raise ReadError(f"{path}: permission denied; make it readable or leave it out with --exclude") from error
    except (OSError, ValueError) as error:  # ValueError: a NUL in the name
        raise ReadError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from error
    raise ReadError(f"{path}: changes while it is read; try again when nothing writes to it")
