"""Codes: how keys and values that are kept are written down: as they are, in few bits, one direction for two layers."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, NamedTuple, Protocol

import torch
from torch import Tensor

from chunkwise.engine.kv.compress.element import Element
from chunkwise.errors import UserError


class Flat(NamedTuple):
    """One layer's entries, head after head: keys and values [e, dim], positions and scores [e]; how many of each."""

    keys: Tensor
    values: Tensor
    positions: Tensor
    scores: Tensor
    lengths: list[int]


class Coded(Protocol):
    """Keys and values of one layer, written down. bytes: that it takes."""

    bytes: int

    def read(self) -> tuple[Tensor, Tensor]:
        """Keys and values [e, dim], as nearly as the code has them."""


class Code(Element):
    """A way of writing down."""

    axis: ClassVar[str] = "code"

    def __call__(self, layers: Sequence[Flat]) -> list[Coded]:
        """The layers written down."""
        return self._coded(layers)

    def bytes(self, n: int, dim: int, itemsize: int, layers: int) -> int:
        """What n entries of one head take at the most, in all layers."""
        return self._bytes(n, dim, itemsize, layers)

    @abstractmethod
    def _coded(self, layers: Sequence[Flat]) -> list[Coded]: ...

    @abstractmethod
    def _bytes(self, n: int, dim: int, itemsize: int, layers: int) -> int: ...


class Raw:
    """As they are."""

    def __init__(self, keys: Tensor, values: Tensor) -> None:
        self._both = keys, values
        self.bytes = size(*self._both)

    def read(self) -> tuple[Tensor, Tensor]:
        """The very tensors."""
        return self._both


@dataclass(frozen=True)
class Plain(Code):
    """As they are."""

    def _coded(self, layers: Sequence[Flat]) -> list[Coded]:
        return [Raw(layer.keys, layer.values) for layer in layers]

    def _bytes(self, n: int, dim: int, itemsize: int, layers: int) -> int:
        return 2 * n * dim * itemsize * layers


def size(*tensors: Tensor) -> int:
    """Bytes of the numbers."""
    return sum(each.numel() * each.element_size() for each in tensors)


class Packed:
    """Numbers [n, dim] in 8, 4 or 2 bits: the least and the step of each channel, or of each row, float16.

    by_channel: False scales rows, after every channel was divided by the root of its largest number, so that one wide
    channel does not coarsen the others ("channel-separable token-wise"): dim + 2 n parameters.
    """

    def __init__(self, x: Tensor, bits: int, by_channel: bool) -> None:
        self._bits, self._shape, self._dtype = bits, x.shape, x.dtype
        x = x.float()
        self._wide = None if by_channel else x.abs().amax(0).clamp(min=1e-4).sqrt().half()
        x = x if self._wide is None else x / self._wide.float()
        axis, most = 0 if by_channel else 1, 2**bits - 1
        least = x.amin(axis, keepdim=True).clamp(-6e4, 6e4).half()
        step = ((x.amax(axis, keepdim=True) - least.float()) / most).clamp(1e-7, 6e4).half()
        self._least, self._step = least, step
        codes = ((x - least.float()) / step.float()).round_().clamp_(0, most).nan_to_num_(0).to(torch.uint8)
        each = 8 // bits
        codes = torch.nn.functional.pad(codes, (0, -codes.shape[1] % each)).view(len(codes), -1, each)
        shifts = torch.arange(each, device=x.device, dtype=torch.uint8) * bits
        self._codes = (codes << shifts).sum(-1, dtype=torch.uint8)

    @property
    def parameters(self) -> int:
        """How many numbers there are besides the codes."""
        return sum(each.numel() for each in (self._least, self._step, self._wide) if each is not None)

    @property
    def bytes(self) -> int:
        """Of codes and parameters."""
        return size(self._codes, self._least, self._step, *([] if self._wide is None else [self._wide]))

    def read(self) -> Tensor:
        """The numbers, to half a step."""
        shifts = torch.arange(8 // self._bits, device=self._codes.device, dtype=torch.uint8) * self._bits
        codes = (self._codes[..., None] >> shifts) & (2**self._bits - 1)
        x: Tensor = codes.flatten(1)[:, : self._shape[1]] * self._step.float() + self._least.float()
        wide = x if self._wide is None else x * self._wide.float()
        return wide.to(self._dtype)


class _InBits:
    def __init__(self, layer: Flat, code: Bits) -> None:
        order, self._groups = [], list[tuple[Packed, Packed]]()
        start = 0
        for n in layer.lengths:
            ranked = start + layer.scores[start : start + n].sort(dim=0, descending=True, stable=True).indices
            start += n
            salient = int(code.share * n)
            for index, bits in ((ranked[:salient], code.high), (ranked[salient:], code.low)):
                if len(index):
                    index = index.sort().values
                    order.append(index)
                    halves = ((layer.keys, True), (layer.values, False))
                    keys, values = (Packed(each[index], bits, by_channel) for each, by_channel in halves)
                    self._groups.append((keys, values))
        self._place = torch.cat(order).argsort().to(torch.int32) if order else None
        self._none = layer.keys[:0]
        self.bytes = sum(each.bytes for both in self._groups for each in both)

    def read(self) -> tuple[Tensor, Tensor]:
        if self._place is None:
            return self._none, self._none
        keys, values = (torch.cat([each.read() for each in half]) for half in zip(*self._groups, strict=True))
        return keys[self._place], values[self._place]


@dataclass(frozen=True)
class Bits(Code):
    """The share of entries that score best in `high` bits, the others in `low`; 8, 4 or 2.

    Keys are scaled by channel, values by token with their channels evened out. Source: ZipCache: Accurate and Efficient
    KV Cache Quantization with Salient Token Identification.
    """

    high: int = 4
    low: int = 2
    share: float = 0.6

    def __post_init__(self) -> None:
        if {self.high, self.low} - {8, 4, 2} or not 0 <= self.share <= 1:
            raise UserError(f"bits are 8, 4 or 2 and their share is from 0 to 1, not {self.spec}")

    def _coded(self, layers: Sequence[Flat]) -> list[Coded]:
        return [_InBits(layer, self) for layer in layers]

    def _bytes(self, n: int, dim: int, itemsize: int, layers: int) -> int:
        salient = int(self.share * n)
        rows = sum(some * 2 * -(-dim // (8 // bits)) for some, bits in ((salient, self.high), (n - salient, self.low)))
        groups = (salient > 0) + (n > salient)
        return layers * (rows + groups * 2 * (2 * dim + dim) + n * 2 * 2)


class _Pair:
    """Vectors of two layers [2, e, dim] as one direction and two lengths each; those least alike as they are."""

    def __init__(self, both: Tensor, lengths: list[int], code: Slerp) -> None:
        long = both.float().square().sum(-1).sqrt()
        one, two = both.float() / long.clamp(min=1e-30)[..., None]
        angle = (one * two).sum(-1).clamp(-1, 1).acos()
        self._direction = _between(one, two, angle, code.t).to(both.dtype)
        self._long = long.to(both.dtype)
        apart, start = [], 0
        for n in lengths:
            apart.append(start + angle[start : start + n].topk(int(code.keep * n)).indices)
            start += n
        self._apart = torch.cat(apart).to(torch.int32) if apart else torch.zeros(0, dtype=torch.int32)
        self._as_is = both[:, self._apart]
        self.bytes = size(self._direction, self._long, self._as_is)

    def read(self, layer: int) -> Tensor:
        x = self._direction * self._long[layer][:, None]
        x[self._apart] = self._as_is[layer]
        return x


def _between(one: Tensor, two: Tensor, angle: Tensor, t: float) -> Tensor:
    """The unit vector at `t` of the arc from one to two; where there is no arc to speak of, of the straight line."""
    sine = angle.sin()[:, None]
    flat = sine < 1e-4
    arc = ((1 - t) * angle).sin()[:, None] / sine * one + (t * angle).sin()[:, None] / sine * two
    line = (1 - t) * one + t * two
    found = torch.where(flat, line, arc)
    return found / found.square().sum(-1, keepdim=True).sqrt().clamp(min=1e-30)


class _OfPair:
    def __init__(self, keys: _Pair, values: _Pair, layer: int) -> None:
        self._both, self._layer = (keys, values), layer
        whole = keys.bytes + values.bytes
        self.bytes = whole // 2 if layer else whole - whole // 2

    def read(self) -> tuple[Tensor, Tensor]:
        keys, values = (each.read(self._layer) for each in self._both)
        return keys, values


@dataclass(frozen=True)
class Slerp(Code):
    """In the deeper half two layers share the direction of each key and value, and keep its two lengths.

    t: where between the two the direction is taken, on the arc; keep: the share of those furthest apart, which both
    layers keep as they are. Source: MiniCache: KV Cache Compression in Depth Dimension for Large Language Models.
    Raises UserError where two layers do not hold the same tokens.
    """

    t: float = 0.6
    keep: float = 0.05

    def _coded(self, layers: Sequence[Flat]) -> list[Coded]:
        coded: list[Coded] = [Raw(layer.keys, layer.values) for layer in layers]
        for at in _pairs(len(layers)):
            one, two = layers[at : at + 2]
            if one.lengths != two.lengths or not torch.equal(one.positions, two.positions):
                raise UserError(
                    "code=slerp pairs layers that keep the same tokens; choose with refresh=once(2), or by a score "
                    "that is the same in all layers"
                )
            keys, values = (
                _Pair(torch.stack(both), one.lengths, self) for both in ((one.keys, two.keys), (one.values, two.values))
            )
            coded[at], coded[at + 1] = _OfPair(keys, values, 0), _OfPair(keys, values, 1)
        return coded

    def _bytes(self, n: int, dim: int, itemsize: int, layers: int) -> int:
        pairs = len(_pairs(layers))
        merged = n * (dim + 2) + int(self.keep * n) * 2 * dim
        return 2 * itemsize * ((layers - 2 * pairs) * n * dim + pairs * merged)


def _pairs(layers: int) -> range:
    """The first layer of each pair, an even one, from the middle on."""
    middle = layers // 2
    return range(middle + middle % 2, layers - 1, 2)
