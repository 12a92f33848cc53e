"""Which knowledge base is meant."""

from __future__ import annotations

from pathlib import Path

NAME = ".chunkwise"
FILE = "chunkwise.sqlite3"


def nearest(named: Path | None) -> Path:
    """The knowledge base that was named, else the `.chunkwise` of this folder or of the nearest above that has one."""
    if named is not None:
        return named
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / NAME / FILE).is_file():
            return Path(NAME) if folder == here else folder / NAME
    return Path(NAME)
