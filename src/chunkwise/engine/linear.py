"""Linear layers that pick their way by the number of rows: a step of decoding has few, a prefill has many."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from functools import cache
from importlib import import_module
from typing import Literal, Protocol, TypeAlias

import torch
from torch import Tensor
from torch.nn import functional

from chunkwise.errors import ModelError

Quantise: TypeAlias = Literal["int8"] | None

_FEW = 16  # rows up to which a product waits for memory rather than for arithmetic
_PACKED_FOR = 8  # rows that oneDNN lays a weight out for; packed for one, it is no quicker with several


class Projection(Protocol):
    """A product with weights, and a bias added."""

    def __call__(self, x: Tensor) -> Tensor:
        """X [t, in] -> [t, out]."""
        ...


def linear(weight: Tensor, bias: Tensor | None = None, quantise: Quantise = None) -> Projection:
    """The layer of `weight` [out, in] and `bias` [out], kept as it is or quantised."""
    if quantise is None:
        return Linear(weight, bias)
    if quantise != "int8":
        raise ModelError(f"quantise={quantise!r} cannot be done here, only 'int8'")
    if weight.device.type == "cpu" and "fbgemm" in torch.backends.quantized.supported_engines:
        return DynamicInt8(weight, bias)
    return WeightInt8(weight, bias)


class Linear:
    """x [t, in] @ weight.T + bias, for weight [out, in], bias [out].

    In float32 on a CPU, few rows go through the compiled kernel. Where there is none, the weight is repacked for
    oneDNN when several rows first come, in place of the plain one: it reads a weight once for all rows where the BLAS
    reads it for each anew. A single row is no slower plain, so a model that only ever sees those is left as it is.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        self.bias = bias
        self._weight: Tensor | None = weight
        self._packed: Tensor | None = None
        self._plain = weight.device.type != "cpu" or weight.dtype != torch.float32

    @property
    def weight(self) -> Tensor:
        """The plain weight [out, in]; a copy where it was repacked."""
        if self._packed is not None:
            return self._packed.to_dense()
        assert self._weight is not None
        return self._weight

    def __call__(self, x: Tensor) -> Tensor:  # noqa: D102
        if self._weight is None:
            several: Tensor = torch.ops.mkldnn._linear_pointwise(x, self._packed, self.bias, "none", [], "")
            return several
        if self._plain or x.shape[0] > _FEW:
            return functional.linear(x, self._weight, self.bias)
        if (out := _kernel()(x, self._weight)) is not None:
            return out if self.bias is None else out.add_(self.bias)
        if x.shape[0] > 1 and packs():
            self._packed, self._weight = torch.ops.mkldnn._reorder_linear_weight(self._weight, _PACKED_FOR), None
            return self(x)
        return functional.linear(x, self._weight, self.bias)


class DynamicInt8:
    """The product in whole numbers (W8A8), which fbgemm has on x86: weights by row of [out], x by pass, at 8 bits.

    Without VNNI its sums of products hold 7 bits of x, so it takes 7 everywhere. x is float32.
    """

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        whole, scale = _rounded(weight)
        zeros = torch.zeros(len(scale), dtype=torch.int64)
        with warnings.catch_warnings():  # that another library will take these over, which helps nobody who runs this
            warnings.simplefilter("ignore")
            held = torch._make_per_channel_quantized_tensor(whole, scale.double(), zeros, 0)
        self._packed = torch.ops.quantized.linear_prepack(held, None if bias is None else bias.float())

    def __call__(self, x: Tensor) -> Tensor:  # noqa: D102
        out: Tensor = torch.ops.quantized.linear_dynamic(x, self._packed, True)
        return out


class WeightInt8:
    """Weights kept as 8-bit whole numbers and one scale for each of [out]; the product is in x's own dtype."""

    def __init__(self, weight: Tensor, bias: Tensor | None = None) -> None:
        self._whole, scale = _rounded(weight)
        self._scale, self._bias = scale.to(weight.dtype), bias

    def __call__(self, x: Tensor) -> Tensor:  # noqa: D102
        out = functional.linear(x, self._whole.to(x.dtype)) * self._scale
        return out if self._bias is None else out + self._bias


def _rounded(weight: Tensor) -> tuple[Tensor, Tensor]:
    """Weight as int8 [out, in] times scale float32 [out]."""
    scale = (weight.abs().amax(1).float() / 127).clamp(min=1e-12)
    return (weight.float() / scale[:, None]).round_().to(torch.int8), scale


@cache
def _kernel() -> Callable[[Tensor, Tensor], Tensor | None]:
    try:
        small_linear: Callable[[Tensor, Tensor], Tensor | None] = import_module("chunkwise.engine.kernels").small_linear
    except ImportError:
        return lambda x, weight: None
    return small_linear


@cache
def packs() -> bool:
    """Whether torch has oneDNN's packed weights here."""
    return torch._C._has_mkldnn and hasattr(torch.ops.mkldnn, "_reorder_linear_weight")
