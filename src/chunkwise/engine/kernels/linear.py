"""A linear layer for few rows: the weights are read once, at the speed of memory."""

from __future__ import annotations

import torch
from torch import Tensor

from chunkwise.engine.kernels.build import LANES, library, plain

MOST = 16  # rows; from there on the products that torch calls are as quick


def small_linear(x: Tensor, weight: Tensor) -> Tensor | None:
    """`x @ weight.T` for x [.., depth] of 1 to 16 rows and weight [width, depth]; None where the kernel cannot.

    It can with float32 on the CPU, depth a multiple of 8, rows of adjacent floats, and no gradient asked for. A row's
    result is the same to the last bit whatever other rows it comes with.
    """
    depth = x.shape[-1]
    rows = x.numel() // depth if depth else 0
    if not 0 < rows <= MOST or not plain(x, weight) or depth % LANES or (found := library()) is None:
        return None
    given = x if x.is_contiguous() else x.contiguous()
    width, stride = weight.shape[0], weight.stride(0)
    out = torch.empty(*x.shape[:-1], width)
    found.chunkwise_linear(
        given.data_ptr(), rows, depth, weight.data_ptr(), width, depth, stride, out.data_ptr(), torch.get_num_threads()
    )
    return out
