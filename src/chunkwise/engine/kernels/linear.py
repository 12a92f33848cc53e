"""A linear layer for few rows: the weights are read once, at the speed of memory."""

from __future__ import annotations

import ctypes

import torch
from torch import Tensor

from chunkwise.engine.kernels.build import library

MOST = 16  # rows; from there on the products that torch calls are as quick
LANES = 8


def small_linear(x: Tensor, weight: Tensor) -> Tensor | None:
    """`x @ weight.T` for x [.., depth] of 1 to 16 rows and weight [width, depth]; None where the kernel cannot.

    It can with float32 on the CPU, depth a multiple of 8, rows of adjacent floats, and no gradient asked for. A row's
    result is the same to the last bit whatever other rows it comes with.
    """
    rows = x.numel() // x.shape[-1] if x.shape[-1] else 0
    if not 0 < rows <= MOST or not _fits(x, weight) or (found := library()) is None:
        return None
    x_rows = x.reshape(rows, x.shape[-1]).contiguous()
    out = x.new_empty((*x.shape[:-1], weight.shape[0]))
    found.chunkwise_linear(
        ctypes.c_void_p(x_rows.data_ptr()),
        ctypes.c_int64(rows),
        ctypes.c_int64(x_rows.stride(0)),
        ctypes.c_void_p(weight.data_ptr()),
        ctypes.c_int64(weight.shape[0]),
        ctypes.c_int64(weight.shape[1]),
        ctypes.c_int64(weight.stride(0)),
        ctypes.c_void_p(out.data_ptr()),
        ctypes.c_int(torch.get_num_threads()),
    )
    return out


def _fits(x: Tensor, weight: Tensor) -> bool:
    plain = all(one.dtype == torch.float32 and one.device.type == "cpu" for one in (x, weight))
    learning = torch.is_grad_enabled() and (x.requires_grad or weight.requires_grad)
    return plain and not learning and weight.dim() == 2 and weight.stride(1) == 1 and weight.shape[1] % LANES == 0
