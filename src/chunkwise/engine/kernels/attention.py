"""Runs of slots laid out for the compiled kernel, and its call."""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from chunkwise.engine.kernels.build import LANES, library, plain
from chunkwise.units import Ints

PIECE = 1024  # slots of a run that one thread hears at a time; fixed, so that a result does not depend on the threads

_RUN = np.dtype(
    [(name, np.int64) for name in ("start", "stop", "rows", "n_rows", "partial")]
    + [(name, np.int32) for name in ("listed", "causal")]
)


class Run(NamedTuple):
    """Rows that hear slots: those from `start` to `stop`, or those listed from place `start` to `stop`.

    causal: row i of n hears all but the last n - 1 - i slots.
    """

    rows: Ints
    start: int
    stop: int
    listed: bool = False
    causal: bool = False


class _Plan(ctypes.Structure):
    _fields_ = [
        ("runs", ctypes.c_void_p),
        ("n_runs", ctypes.c_int64),
        ("rows", ctypes.c_void_p),
        ("indices", ctypes.c_void_p),
        ("indices_head", ctypes.c_int64),
        ("unit", ctypes.c_int64),
        ("n_heard", ctypes.c_int64),
        ("heard", ctypes.c_void_p),
        ("first", ctypes.c_void_p),
        ("partials", ctypes.c_void_p),
    ]


_Shape = ctypes.c_int64 * 9


class Runs:
    """Which rows hear which slots, laid out once and called in every layer.

    runs: in the order in which a row's partial results are merged; indices: int32, the slots that listed runs name, or
    with `unit` the numbers of runs of `unit` slots; by_head: how far the lists of two key-value heads stand apart, 0
    where all heads hear the same.
    """

    def __init__(self, runs: Sequence[Run], indices: Tensor | None = None, unit: int = 1, by_head: int = 0) -> None:
        pieces = [piece for run in runs for piece in _pieces(run, unit)]
        counts = np.array([len(piece.rows) for piece in pieces], np.int64)
        partial = np.cumsum(counts) - counts
        self._rows = np.concatenate([piece.rows for piece in pieces] or [np.zeros(0, np.int64)]).astype(np.int64)
        self._runs = np.array(
            [
                (piece.start, piece.stop, at, len(piece.rows), at, piece.listed, piece.causal)
                for piece, at in zip(pieces, partial.tolist(), strict=True)
            ],
            _RUN,
        )
        self._partials = np.argsort(self._rows, kind="stable")
        self.rows, first = np.unique(self._rows[self._partials], return_index=True)
        self._first = np.append(first, len(self._rows)).astype(np.int64)
        self._indices = indices
        self._plan = _Plan(
            self._runs.ctypes.data,
            len(self._runs),
            self._rows.ctypes.data,
            0 if indices is None else indices.data_ptr(),
            by_head,
            unit,
            len(self.rows),
            self.rows.ctypes.data,
            self._first.ctypes.data,
            self._partials.ctypes.data,
        )
        self._room = torch.empty(0)

    @staticmethod
    def fit(q: Tensor, keys: Tensor, values: Tensor) -> bool:
        """Whether the kernel is there and made for these: float32 on the CPU, head sizes in steps of 8, no gradient."""
        return plain(q, keys, values) and q.shape[-1] % LANES == 0 and library() is not None

    def __call__(self, q: Tensor, keys: Tensor, values: Tensor, scale: float, out: Tensor, lse: Tensor) -> None:
        """Write what the rows hear to out [t, heads, dim] and lse [t, heads], both contiguous; leave other rows alone.

        q [t, heads, dim]; keys and values [kv_heads, slots, dim]. That the rows and slots are there is for the caller
        to see to. Raises ValueError for shapes that do not belong together.
        """
        _, heads, dim = q.shape
        if keys.shape != values.shape or keys.shape[2] != dim or heads % keys.shape[0]:
            raise ValueError(f"queries {[*q.shape]} cannot hear keys {[*keys.shape]} and values {[*values.shape]}")
        size = len(self._rows) * heads * (dim + 1)
        if self._room.numel() < size:
            self._room = torch.empty(size)
        kept = self._room.data_ptr()
        shape = _Shape(heads, keys.shape[0], dim, *q.stride()[:2], *keys.stride()[:2], *values.stride()[:2])
        found = library()
        assert found is not None
        found.chunkwise_attend(
            ctypes.byref(self._plan),
            ctypes.byref(shape),
            q.data_ptr(),
            keys.data_ptr(),
            values.data_ptr(),
            scale,
            out.data_ptr(),
            lse.data_ptr(),
            kept + 4 * len(self._rows) * heads,
            kept,
            torch.get_num_threads(),
        )


def _pieces(run: Run, unit: int) -> list[Run]:
    """A run cut every `PIECE` slots; the rows of a causal one differ in its last piece alone."""
    step = max(1, PIECE // unit) if run.listed else PIECE
    cuts = list(range(run.start, run.stop, step))
    if not cuts:
        return []
    if run.causal:
        cuts = [cut for cut in cuts if cut <= max(run.start, run.stop - len(run.rows))]
    ends = [*cuts[1:], run.stop]
    return [
        run._replace(start=start, stop=stop, causal=run.causal and stop == run.stop)
        for start, stop in zip(cuts, ends, strict=True)
    ]
