"""Arrays in one file: written whole under another name, then moved into place; read back as memory maps."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

_kinds = {
    "F16": np.float16, "F32": np.float32, "I32": np.int32, "I64": np.int64, "U8": np.uint8, "U64": np.uint64,
}  # fmt: skip
_names = {np.dtype(kind): name for name, kind in _kinds.items()}


def save(path: Path, arrays: Mapping[str, npt.NDArray[Any]], notes: Mapping[str, str]) -> None:
    """Write `arrays` and `notes` as a safetensors file that is there whole or not at all."""
    whole = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    header: dict[str, Any] = {"__metadata__": dict(notes)}
    at = 0
    for name, array in sorted(whole.items(), key=lambda item: -item[1].itemsize):  # so that each one lies aligned
        header[name] = {
            "dtype": _names[array.dtype],
            "shape": array.shape,
            "data_offsets": (at, at := at + array.nbytes),
        }
    head = json.dumps(header).encode()
    head += b" " * (-len(head) % 8)
    waiting = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        with waiting.open("wb") as file:
            file.write(len(head).to_bytes(8, "little") + head)
            for name in list(header)[1:]:
                file.write(whole[name].data)
            file.flush()
            os.fsync(file.fileno())  # else a power cut may leave the new name on old or empty blocks
        waiting.replace(path)
    finally:
        waiting.unlink(missing_ok=True)


def load(path: Path) -> tuple[dict[str, npt.NDArray[Any]], dict[str, str]]:
    """The arrays, memory-mapped and read-only, and the notes of a file that `save` wrote; OSError when it is none."""
    if path.stat().st_size < 8:
        raise OSError(f"{path} is cut short")
    # As plain arrays, since every slice of a np.memmap pays for being one.
    data = np.asarray(np.memmap(path, dtype=np.uint8, mode="r"))
    size = int(data[:8].view(np.uint64)[0])
    try:
        header = json.loads(data[8 : 8 + size].tobytes())
        notes = header.pop("__metadata__", {})
        arrays = {}
        for name, entry in header.items():
            first, last = entry["data_offsets"]
            arrays[name] = data[8 + size + first : 8 + size + last].view(_kinds[entry["dtype"]]).reshape(entry["shape"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise OSError(f"{path} is damaged: {error}") from error
    return arrays, notes
