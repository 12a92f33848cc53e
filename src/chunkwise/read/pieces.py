"""A text file read piece by piece."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from chunkwise.errors import ReadError


def pieces(path: Path | str, size: int = 2**20) -> Iterator[str]:
    """The text of a file in pieces of at most `size` characters, line ends as they are.

    For text too large to be held whole; UTF-8 only, since an encoding can be guessed from the whole alone. Raises
    ReadError when the file cannot be opened or is not UTF-8.
    """
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            while piece := file.read(size):
                yield piece
    except UnicodeDecodeError as error:
        raise ReadError(f"{path}: not UTF-8 ({error.reason}); convert it first, or read it whole") from error
    except OSError as error:
        raise ReadError(f"{path}: cannot be read: {error.strerror or error}") from error
