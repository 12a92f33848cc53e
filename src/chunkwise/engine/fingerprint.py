"""The sha256 of a file of weights, computed once and remembered."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path


def sha256(path: Path) -> str:
    """The file's sha256 in hex.

    Hashing 90 MB takes longer than embedding a query, so the answer is kept, under the file's path, size and time of
    change, in `$XDG_CACHE_HOME/chunkwise` (`~/.cache/chunkwise`). A cache that cannot be read or written is no error.
    """
    state = path.stat()
    key = f"{path.resolve()}|{state.st_size}|{state.st_mtime_ns}"
    memory = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chunkwise" / "sha256.json"
    try:
        known = dict(json.loads(memory.read_text(encoding="utf-8")))
    except (OSError, ValueError, TypeError):
        known = {}
    if key not in known:
        with path.open("rb") as file:
            known[key] = hashlib.file_digest(file, "sha256").hexdigest()
        try:
            memory.parent.mkdir(parents=True, exist_ok=True)
            fresh = memory.with_suffix(f".{os.getpid()}")
            fresh.write_text(json.dumps(known), encoding="utf-8")
            fresh.replace(memory)
        except OSError:
            pass
    return str(known[key])
