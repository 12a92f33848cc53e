"""Named arrays out of a `.safetensors` file, memory-mapped: nothing is read before it is used."""

from __future__ import annotations

import json
import mmap
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from chunkwise.errors import ModelError

_KINDS = {"F64": "<f8", "F32": "<f4", "F16": "<f2", "I64": "<i8", "I32": "<i4", "I8": "i1", "U8": "u1", "BF16": "<u2"}


class Tensors:
    """The arrays of a safetensors file by name, as read-only views of the mapped file.

    arrays: name -> array in the file's own shape and dtype (bfloat16, which NumPy has not got, widened to float32);
    metadata: the file's own notes. The safetensors library copies every tensor out of the map, 70 ms for a model of
    90 MB against 2 ms here, which is most of what one query costs in a cold process.
    Raises ModelError for a file that is missing, truncated or of another format.
    """

    def __init__(self, path: Path) -> None:
        try:
            with path.open("rb") as file:
                whole = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
            size = int.from_bytes(whole[:8], "little")
            header = json.loads(whole[8 : 8 + size])
            self.metadata: dict[str, str] = header.pop("__metadata__", {})
            self.arrays = {name: _view(whole, 8 + size, entry) for name, entry in header.items()}
        except OSError as error:
            raise ModelError(f"cannot read {path}: {error.strerror}") from error
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"{path} is not a whole safetensors file ({error}); fetch it again") from error


def _view(whole: mmap.mmap, data: int, entry: dict[str, Any]) -> npt.NDArray[Any]:
    kind = np.dtype(_KINDS[entry["dtype"]])
    start, end = entry["data_offsets"]
    array = np.frombuffer(whole, kind, (end - start) // kind.itemsize, data + start).reshape(entry["shape"])
    if entry["dtype"] == "BF16":
        return (array.astype(np.uint32) << 16).view(np.float32)
    return array
