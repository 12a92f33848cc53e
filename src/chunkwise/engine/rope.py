"""Rotations of queries and keys by their positions (RoPE), with the published ways of reaching further."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from chunkwise.engine.config import Rotary


class Turn(NamedTuple):
    """The rotation of t tokens, made once a pass and applied in every layer.

    cos, sin: [t, 1, dims], each pair's twice, the sine with the sign of its half.
    """

    cos: Tensor
    sin: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """X [t, heads, dim], its first `dims` dimensions turned in pairs that lie half of them apart."""
        dims = self.cos.shape[-1]
        if dims < x.shape[-1]:
            return torch.cat((self(x[..., :dims]), x[..., dims:]), -1)
        return torch.addcmul(x * self.cos, x.roll(dims // 2, -1), self.sin)


class Rope:
    """Rotary position embedding (RoFormer: Enhanced Transformer with Rotary Position Embedding, Su et al. 2021).

    by_length: whether rotations depend on how long the sequence is (dynamic and longrope), not on positions alone.
    Keys that were turned when it was shorter keep their rotation, as in `transformers`: what such a model says
    depends on where its input was split into passes.
    """

    def __init__(self, rotary: Rotary, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float32) -> None:
        self.rotary = rotary
        self.by_length = rotary.kind in ("dynamic", "longrope")
        self._device, self._dtype = torch.device(device), dtype
        self._tables: dict[bool, Turn] = {}  # of the first positions: whether the length is beyond the original one

    def at(self, positions: Tensor, lengths: Tensor | int | None = None) -> Turn:
        """The rotation of tokens at `positions` [t], whole numbers.

        lengths: tokens of the sequence each row is of, this pass's included, [t] or one for all; matters only where
        `by_length`. Default: the pass is of one sequence and ends it.
        """
        last = int(positions.max()) + 1 if len(positions) else 0
        if not self.by_length or lengths is None or isinstance(lengths, int):
            return self._turn(lengths if isinstance(lengths, int) else last, positions, last)
        cos, sin = torch.empty((2, len(positions), 1, self.rotary.dims), device=self._device, dtype=self._dtype)
        for length in set(lengths.tolist()):
            rows = lengths == length
            cos[rows], sin[rows] = self._turn(length, positions[rows], last)
        return Turn(cos, sin)

    def rotate(self, x: Tensor, positions: Tensor, lengths: Tensor | int | None = None) -> Tensor:
        """x [t, heads, dim] turned by `positions` [t]; `at` does the half of it that is the same in every layer."""
        return self.at(positions, lengths)(x)

    def _turn(self, length: int, positions: Tensor, last: int) -> Turn:
        long = self.by_length and length > self.rotary.original
        if long and self.rotary.kind == "dynamic":  # frequencies of its own for every length
            return self._computed(positions, length)
        table = self._tables.get(long)
        if table is None or len(table.cos) < last:
            span = torch.arange(max(2 * last, 256), device=self._device)
            table = self._tables[long] = self._computed(span, length)
        return Turn(table.cos[positions], table.sin[positions])

    def _computed(self, positions: Tensor, length: int) -> Turn:
        frequencies, scale = _frequencies(self.rotary, length)
        angles = positions[:, None, None].float() * frequencies.to(self._device)
        cos, sin = (angles.cos() * scale).to(self._dtype), (angles.sin() * scale).to(self._dtype)
        return Turn(torch.cat((cos, cos), -1), torch.cat((-sin, sin), -1))


def _frequencies(rotary: Rotary, length: int) -> tuple[Tensor, float]:
    """Radians per position of each pair of dimensions, float32 [dims / 2], and what to multiply cos and sin by."""
    dims, factor, original = rotary.dims, rotary.factor, rotary.original
    powers = torch.arange(0, dims, 2, dtype=torch.float32) / dims
    plain = 1.0 / rotary.theta**powers
    if rotary.kind == "linear":  # Extending Context Window of Large Language Models via Positional Interpolation
        return plain / factor, 1.0
    if rotary.kind == "dynamic":  # the base grows with the length ("NTK-aware")
        stretch = factor * max(length, original) / original - (factor - 1)
        return 1.0 / (rotary.theta * stretch ** (dims / (dims - 2))) ** powers, 1.0
    if rotary.kind == "yarn":
        return _yarn(rotary, plain)
    if rotary.kind == "llama3":
        return _llama3(rotary, plain), 1.0
    if rotary.kind == "longrope":  # LongRoPE: Extending LLM Context Window Beyond 2 Million Tokens
        factors = rotary.long_factor if length > original else rotary.short_factor
        scale = rotary.attention_factor
        if scale is None:
            scale = math.sqrt(1 + math.log(factor) / math.log(original)) if factor > 1 else 1.0
        return 1.0 / (torch.tensor(factors) * rotary.theta**powers), scale
    return plain, 1.0


def _yarn(rotary: Rotary, plain: Tensor) -> tuple[Tensor, float]:
    """Fast dimensions keep their pace, slow ones are interpolated (YaRN: Efficient Context Window Extension)."""
    dims, factor = rotary.dims, rotary.factor

    def dimension(turns: float) -> float:  # the one that turns so often in the original context
        return dims * math.log(rotary.original / (turns * 2 * math.pi)) / (2 * math.log(rotary.theta))

    low, high = dimension(rotary.beta_fast), dimension(rotary.beta_slow)
    if rotary.truncate:
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, dims - 1)
    ramp = ((torch.arange(dims // 2, dtype=torch.float32) - low) / (high - low or 0.001)).clamp(0, 1)
    scale = rotary.attention_factor
    if scale is None:
        above, below = (rotary.mscale, rotary.mscale_all_dim) if rotary.mscale and rotary.mscale_all_dim else (1.0, 0.0)
        log = math.log(factor) if factor > 1 else 0.0
        scale = (0.1 * above * log + 1) / (0.1 * below * log + 1)
    return plain / factor * ramp + plain * (1 - ramp), scale


def _llama3(rotary: Rotary, plain: Tensor) -> Tensor:
    """Wavelengths up to a part of the original context stay, long ones are stretched, smoothly between (Llama 3.1)."""
    turns = rotary.original * plain / (2 * math.pi)  # in the original context
    low, high = rotary.low_freq_factor, rotary.high_freq_factor
    smooth = ((turns - low) / (high - low)).clamp(0, 1)
    return (1 - smooth) * plain / rotary.factor + smooth * plain
