"""What a decoder does between its products, for few rows: one call each, where torch needs several."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from chunkwise.engine.kernels.build import LANES, library, plain
from chunkwise.engine.kernels.linear import MOST
from chunkwise.units import Ints


def small_norm(x: Tensor, more: Tensor | None, weight: Tensor, epsilon: float) -> tuple[Tensor, Tensor] | None:
    """`x`, with `more` added if any, and its RMSNorm, for x [t, width] of 1 to 16 rows; None where the kernel cannot.

    It can with float32 on the CPU, contiguous, width a multiple of 8, and no gradient asked for. A row's result is the
    same to the last bit whatever other rows it comes with; so it is of the functions below.
    """
    t, width = x.shape
    given = (x, weight) if more is None else (x, weight, more)
    if not 0 < t <= MOST or not width or width % LANES or not plain(*given):
        return None
    if not all(one.is_contiguous() for one in given) or weight.shape != (width,):
        return None
    if (more is not None and more.shape != x.shape) or (found := library()) is None:
        return None
    total, normed = x if more is None else torch.empty(t, width), torch.empty(t, width)
    added = None if more is None else more.data_ptr()
    found.chunkwise_norm(x.data_ptr(), added, weight.data_ptr(), epsilon, t, width, total.data_ptr(), normed.data_ptr())
    return total, normed


def small_swiglu(gate_up: Tensor) -> Tensor | None:
    """silu(gate) * up [t, inner] of [t, 2 * inner], 1 to 16 rows; None where the kernel cannot.

    It can with float32 on the CPU, contiguous, inner a multiple of 8, and no gradient asked for.
    """
    t, both = gate_up.shape
    if not 0 < t <= MOST or not both or both % (2 * LANES) or not plain(gate_up) or not gate_up.is_contiguous():
        return None
    if (found := library()) is None:
        return None
    out = torch.empty(t, both // 2)
    found.chunkwise_swiglu(gate_up.data_ptr(), t, both // 2, out.data_ptr())
    return out


_Turn = ctypes.c_int64 * 15


class Turned:
    """The rotations and the slots of a pass's t tokens, laid out once and called in every layer.

    cos, sin: [t, 1, dims], each pair's twice, the sine with the sign of its half; slots: int64 [t].
    """

    def __init__(self, cos: Tensor, sin: Tensor, slots: Ints) -> None:
        self._cos, self._sin, self._slots = cos.contiguous(), sin.contiguous(), slots
        self._end = int(slots.max(initial=-1)) + 1
        few = 0 < len(slots) <= MOST and cos.shape == sin.shape == (len(slots), 1, cos.shape[-1])
        self._fit = few and not cos.shape[-1] % 2 and int(slots.min(initial=0)) >= 0 and plain(self._cos, self._sin)

    def __call__(self, q: Tensor, k: Tensor, v: Tensor, keys: Tensor, values: Tensor) -> Tensor | None:
        """The turned q [t, heads, dim]; k, turned, and v are put into their slots. None where the kernel cannot.

        k, v: [t, kv_heads, dim]; keys, values: [kv_heads, slots, dim]. It can with 1 to 16 tokens in float32 on the
        CPU, heads of adjacent floats, slots that are there, and no gradient asked for.
        """
        t, heads, dim = q.shape
        kv_heads, slots, dims = *keys.shape[:2], self._cos.shape[-1]
        if not self._fit or t != len(self._slots) or dims > dim or self._end > slots:
            return None
        if not k.shape == v.shape == (t, kv_heads, dim) or not keys.shape == values.shape == (kv_heads, slots, dim):
            return None
        if not plain(q, k, v, keys, values) or (found := library()) is None:
            return None
        out = torch.empty(t, heads, dim)
        strides = (stride for one in (q, k, v, keys, values) for stride in one.stride()[:2])
        found.chunkwise_turn(
            ctypes.byref(_Turn(t, heads, kv_heads, dim, dims, *strides)),
            self._cos.data_ptr(),
            self._sin.data_ptr(),
            self._slots.ctypes.data,
            q.data_ptr(),
            k.data_ptr(),
            v.data_ptr(),
            keys.data_ptr(),
            values.data_ptr(),
            out.data_ptr(),
        )
        return out
