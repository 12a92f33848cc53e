"""A model folder's tensors: mapped into memory, each checked before it is used."""

from __future__ import annotations

import json
import re
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from chunkwise.errors import FallbackWarning, ModelError

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
_AGAIN = "fetch it again"


class Weights:
    """The tensors of a Hugging Face folder, `model.safetensors` or the shards of `model.safetensors.index.json`.

    The files are memory-mapped; a tensor that has `dtype` already, on a CPU, is never copied.
    Raises ModelError that names the file for one that is missing, truncated or of another format, and for tensors
    that the index and the files do not agree about.
    """

    def __init__(self, folder: str | Path, device: torch.device | str, dtype: torch.dtype) -> None:
        self._folder, self._device, self._dtype = Path(folder), torch.device(device), dtype
        self._where: dict[str, tuple[Path, Any]] = {}
        for path, names in _files(self._folder).items():
            opened = _open(path)
            held = set(opened.keys())
            if missing := sorted(set(names) - held):
                raise ModelError(f"{path} lacks {missing[0]}, which the index says it holds; {_AGAIN}")
            self._where |= dict.fromkeys(held, (path, opened))
        self._left = set(self._where)

    def __contains__(self, name: str) -> bool:
        return name in self._where

    def take(self, name: str, shape: Sequence[int]) -> Tensor:
        """That tensor on the device, in the dtype. Raises ModelError unless it has the shape, real numbers, no NaN."""
        if name not in self._where:
            raise ModelError(f"{self._folder}: tensor {name} is missing, which config.json asks for; {_AGAIN}")
        path, opened = self._where[name]
        self._left.discard(name)
        try:
            tensor: Tensor = opened.get_tensor(name)
        except Exception as error:  # the library has no common class for what it raises
            raise ModelError(f"{path}: tensor {name} cannot be read ({error}); {_AGAIN}") from error
        if tuple(tensor.shape) != tuple(shape):
            raise ModelError(f"{path}: {name} is {list(tensor.shape)}, but config.json makes it {list(shape)}")
        if tensor.dtype not in _DTYPES.values():
            raise ModelError(f"{path}: {name} is {tensor.dtype}; only float32, bfloat16 and float16 can be run here")
        moved = tensor.to(self._device, self._dtype)
        if not bool(moved.sum(dtype=torch.float32).isfinite()) and not bool(moved.isfinite().all()):
            raise ModelError(f"{path}: {name} holds NaN or infinity in {self._dtype}; {_AGAIN}, or load it as float32")
        return moved

    def done(self, tied: bool) -> None:
        """Raises ModelError for a tensor that nobody took, since what is left out may change what the model says."""
        if tied and "lm_head.weight" in self._left:
            head, table = (
                self._where[name][1].get_tensor(name) for name in ("lm_head.weight", "model.embed_tokens.weight")
            )
            if not torch.equal(head, table):
                path = self._where["lm_head.weight"][0]
                raise ModelError(
                    f"{path}: lm_head.weight differs, but config.json has tie_word_embeddings; set it false"
                )
        for name in sorted(self._left - {"lm_head.weight"} if tied else self._left):
            if not re.search(r"rotary_emb\.inv_freq$", name):  # computed, but kept in old files
                raise ModelError(
                    f"{self._where[name][0]}: tensor {name} has no place in the model of config.json; use the two files"
                    " that belong together"
                )


def dtype_for(wanted: torch.dtype | str | None, saved: str, device: torch.device | str) -> torch.dtype:
    """What to compute in: float32 on a CPU, as saved elsewhere, unless `wanted`.

    Half precision on a CPU that has no instructions for it, hundreds of times slower, becomes float32 with a
    FallbackWarning. Raises ModelError for a dtype that is none of float32, bfloat16 and float16.
    """
    name = str(wanted or saved).removeprefix("torch.")
    on_cpu = torch.device(device).type == "cpu"
    if name not in _DTYPES:
        raise ModelError(f"dtype {name!r} cannot be run here, only {', '.join(_DTYPES)}")
    if not on_cpu or name == "float32":
        return _DTYPES[name]
    if wanted is None:
        return torch.float32
    if not _has(name):
        warnings.warn(f"this CPU has no {name} arithmetic: computing in float32 instead", FallbackWarning, stacklevel=3)
        return torch.float32
    return _DTYPES[name]


def _has(name: str) -> bool:
    """Whether the CPU multiplies matrices of that dtype by itself."""
    can = torch.cpu.get_capabilities()
    needed = {"bfloat16": ("avx512_bf16", "amx_bf16", "bf16"), "float16": ("avx512_fp16", "amx_fp16", "fp16")}
    return any(can.get(instructions, False) for instructions in needed[name])


def _files(folder: Path) -> dict[Path, list[str]]:
    """The safetensors files, and the tensors that the index, if any, says are in each."""
    index, single = folder / "model.safetensors.index.json", folder / "model.safetensors"
    if single.is_file() or not index.is_file():
        return {single: []}
    try:
        placed = json.loads(index.read_text(encoding="utf-8"))["weight_map"]
        files: dict[Path, list[str]] = {}
        for name, file in sorted(placed.items(), key=str):
            files.setdefault(folder / Path(file).name, []).append(name)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ModelError(f"{index} is no index of safetensors files ({error!r}); {_AGAIN}") from error
    return files


def _open(path: Path) -> Any:
    from safetensors import SafetensorError, safe_open

    if not path.is_file():
        if path.name == "model.safetensors" and list(path.parent.glob("*.bin")):
            raise ModelError(f"{path.parent} holds pickled weights only; save the model with safetensors")
        raise ModelError(f"{path} is missing; {_AGAIN}")
    try:
        return safe_open(path, framework="pt")
    except (SafetensorError, OSError) as error:
        raise ModelError(f"{path} is not a whole safetensors file ({error}); {_AGAIN}") from error
