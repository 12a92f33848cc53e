"""Keys and values that had to leave the arena, a safetensors file a node: whole and checked, or not there."""

from __future__ import annotations

import hashlib
import json
import os
import warnings
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from safetensors import SafetensorError, safe_open

from chunkwise.engine.kv.arena import Arena, Extent
from chunkwise.engine.kv.tree import Node, Tokens, common
from chunkwise.errors import SkippedWarning

if TYPE_CHECKING:
    import torch


class Run(NamedTuple):
    """The rows of a file that hold some tokens, from `first` on; `length` of them are wanted."""

    path: Path
    first: int
    tokens: Tokens
    chunk: str | None
    length: int


Beginning = tuple[str, int]
"""The id of the prefix that a run goes on from, and the run's first token."""

NAME = "[0-9a-f]" * 32
DAMAGES = (OSError, SafetensorError, ValueError, KeyError, IndexError)


@dataclass
class _File:
    size: int
    runs: list[tuple[Beginning, int]] = field(default_factory=list)  # each by its first row


class Spill:
    """A folder of spilled nodes, at most `limit` bytes of them; the least recently used file goes first.

    A file is written under another name and then moved into place, and carries the sha256 of all that is in it, which
    is compared before each use: so it need not be synced to the disk, and one that is cut short, changed, missing, or
    did not fit on the disk is a node that is not there, said once in a SkippedWarning. It guards against accidents, not
    against somebody who may write to the folder.

    model: what tells this model's weights from any other's, such as their sha256. Each model, dtype and shape has a
    folder of its own within; the limit counts them all.
    """

    def __init__(self, folder: Path, arena: Arena, model: str, limit: int) -> None:
        self.arena, self.limit = arena, limit
        kind = json.dumps([1, model, str(arena.dtype), arena.shape])  # 1: of this layout of files
        self.kind = hashlib.sha256(kind.encode()).hexdigest()[:32]
        self.folder = folder / self.kind
        self.bytes = 0
        self._files: dict[Path, _File] = {}  # the least recently used first
        self._runs: dict[Beginning, dict[tuple[Path, int], Run]] = {}
        self._refused = False
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            for part in self.folder.glob("*.part"):
                part.unlink(missing_ok=True)
            there = [(path.stat(), path) for path in folder.glob(f"{NAME}/{NAME}.safetensors")]
        except OSError as error:
            self._refuse(error)
            return
        for state, path in sorted(there, key=lambda one: one[0].st_mtime):
            self._list(path, state.st_size)

    def write(self, node: Node) -> None:
        """Keep the node's keys and values, unless they are kept already."""
        assert node.parent is not None
        behind = node.parent.id
        for run in self._runs.get((behind, int(node.tokens[0])), {}).values():
            if common(run.tokens, node.tokens) == len(node.tokens):
                self._use(run.path)
                return
        if self.arena.bytes_per_slot * len(node.tokens) > self.limit:
            return
        path = self.folder / f"{node.id}.safetensors"
        part = path.with_suffix(f".{os.getpid()}.part")
        whole = _bytes(node, behind, self.arena.read(node.extents).cpu(), self.kind)
        self._drop(path)
        while self._files and self.bytes + len(whole) > self.limit:
            self._drop(next(iter(self._files)))
        try:
            part.write_bytes(whole)
            part.replace(path)
        except OSError as error:
            self._refuse(error)
            with suppress(OSError):
                part.unlink(missing_ok=True)
        else:
            self._add(path, len(whole), behind, Run(path, 0, node.tokens, node.chunk, len(node.tokens)))

    def find(self, node: Node, tokens: Tokens) -> Run | None:
        """The longest run that goes on behind the node as these tokens do."""
        runs = self._runs.get((node.id, int(tokens[0])), {}).values() if len(tokens) else ()
        alike = [run._replace(length=common(run.tokens, tokens)) for run in runs]
        return max(alike, key=lambda run: run.length, default=None)

    def read(self, node: Node, found: Run, extents: Sequence[Extent]) -> bool:
        """Bring a run that was found behind the node into these slots, if the file is as it was written."""
        path, first, tokens, chunk, length = found
        if path not in self._files:  # it went to make room for others
            return False
        try:
            notes, kv = _load(path)
            ends = node.extended(tokens).hexdigest()  # of this namespace and provenance, and by these tokens
            if (notes["kind"], notes["id"], path.stem) != (self.kind, ends, ends):
                raise ValueError("it is of another prefix or model")
            if not np.array_equal(_tokens(notes)[first:], tokens):
                raise ValueError("it is of other tokens")
        except DAMAGES as error:
            self._damaged(path, error)
            return False
        self.arena.write(extents, kv[..., first : first + length, :])
        self._use(path)
        if length < len(tokens):  # the rest goes on from where the tree is about to end
            rest = Run(path, first + length, tokens[length:], chunk, len(tokens) - length)
            self._add(path, 0, node.extended(tokens[:length]).hexdigest(), rest)
        return True

    def _list(self, path: Path, size: int) -> None:
        """Know a file that was there at the start; another model's only to count it."""
        self._files[path] = _File(size)
        self.bytes += size
        if path.parent == self.folder:
            try:
                with safe_open(path, "np") as file:
                    notes = file.metadata() or {}
                tokens = _tokens(notes)
                self._add(path, 0, notes["behind"], Run(path, 0, tokens, notes["chunk"] or None, len(tokens)))
            except DAMAGES as error:
                self._damaged(path, error)

    def _add(self, path: Path, size: int, behind: str, run: Run) -> None:
        file = self._files.setdefault(path, _File(size))
        self.bytes += size
        beginning = (behind, int(run.tokens[0]))
        file.runs.append((beginning, run.first))
        self._runs.setdefault(beginning, {})[path, run.first] = run

    def _drop(self, path: Path) -> None:
        """Forget a file and remove it."""
        file = self._files.pop(path, _File(0))
        self.bytes -= file.size
        for beginning, first in file.runs:
            runs = self._runs.get(beginning, {})
            runs.pop((path, first), None)
            if not runs:
                self._runs.pop(beginning, None)
        with suppress(OSError):
            path.unlink(missing_ok=True)

    def _use(self, path: Path) -> None:
        self._files[path] = self._files.pop(path)
        with suppress(OSError):
            os.utime(path)  # so that the order outlasts the process

    def _damaged(self, path: Path, error: Exception) -> None:
        self._drop(path)
        warnings.warn(f"{path} is not as it was written: {error}; its tokens are computed anew", SkippedWarning, 3)

    def _refuse(self, error: OSError) -> None:
        if not self._refused:
            why = f"{error.strerror or error}; what leaves the cache is computed anew"
            warnings.warn(f"cannot spill to {self.folder}: {why}", SkippedWarning, 3)
        self._refused = True


def _bytes(node: Node, behind: str, kv: torch.Tensor, kind: str) -> bytes:
    """The whole file: keys and values [2, layers, kv_heads, tokens, dim] as `kv`, the rest as its notes."""
    from safetensors.torch import save

    notes = {
        "id": node.id, "behind": behind, "tokens": " ".join(map(str, node.tokens.tolist())), "kind": kind,
        "provenance": str(node.provenance), "chunk": node.chunk or "",
    }  # fmt: skip
    return save({"kv": kv}, {**notes, "sha256": _sha256(notes, kv)})


def _load(path: Path) -> tuple[dict[str, str], torch.Tensor]:
    """The notes, and the keys and values memory-mapped, of a file that is whole."""
    with safe_open(path, "pt") as file:
        notes, kv = dict(file.metadata() or {}), file.get_tensor("kv")
    if notes.pop("sha256", "") != _sha256(notes, kv):
        raise ValueError("its sha256 is another")
    return notes, kv


def _sha256(notes: dict[str, str], kv: torch.Tensor) -> str:
    import torch

    digest = hashlib.sha256(json.dumps([notes, str(kv.dtype), kv.shape], sort_keys=True).encode())
    digest.update(kv.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _tokens(notes: dict[str, str]) -> Tokens:
    return np.array(notes["tokens"].split(), np.int32)
