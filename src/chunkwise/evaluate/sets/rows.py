"""JSON lines, packed with gzip or not."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from chunkwise.errors import UserError


def content(path: Path) -> str:
    """The UTF-8 text of a file, `.gz` unpacked, line ends untouched. Raises UserError for one that cannot be read."""
    try:
        data = path.read_bytes()
        return (gzip.decompress(data) if path.suffix == ".gz" else data).decode("utf-8")
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(f"{path}: cannot be read ({reason}); copy the file again") from error


def rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Each line that is not blank, with its number from 1. Raises UserError, naming the line, for what is no object."""
    for number, line in enumerate(content(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise UserError(f"{path} line {number}: no JSON ({error})") from error
        if not isinstance(row, dict):
            raise UserError(f"{path} line {number}: a JSON object is needed, with a key for each field")
        yield number, row


def records(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a set's file; `path` or, where only that is there, the same with `.gz`."""
    packed = path.with_name(path.name + ".gz")
    return (row for _, row in rows(packed if packed.exists() and not path.exists() else path))
