"""How long a step takes: from figures of the hardware and the model's shape, or fitted to what was measured here."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, NamedTuple, Protocol, TypeAlias, cast

import numpy as np
import numpy.typing as npt

from chunkwise.errors import UserError

Number: TypeAlias = Any
"""A float, or float64 [steps] where a stretch of steps is priced at once."""


class Part(NamedTuple):
    """What passes some of the layers in a step.

    share: of the layers, 0 to 1; tokens: all; rows: sequences of which the next token is wanted; heard: keys that the
    tokens of prompts attend to, summed over these tokens; read: keys that decodes attend to, summed over them.
    """

    share: float
    tokens: int
    rows: int
    heard: float
    read: Number


class Cost(Protocol):
    """A price list."""

    @property
    def slots(self) -> int:
        """Slots for keys and values that there is memory for."""

    def seconds(self, parts: Sequence[Part]) -> Number:
        """Of one step, or of each where `read` is an array."""

    def copying(self, slots: int, copies: int) -> float:
        """Seconds to move the keys and values of so many slots between device and host in so many copies."""

    def loads(self, parts: Sequence[Part]) -> float:
        """Experts whose weights are read in a step, summed over layers; 0 where there are none."""


@dataclass(frozen=True)
class Hardware:
    """One device, by its data sheet.

    flops: FLOP/s of dense matrix products in 16 bits; bandwidth: bytes/s of its memory; memory: bytes; link: bytes/s to
    its neighbours, one way; host: bytes/s to the host; compute, reads: the share of flops and bandwidth that is really
    had (an assumption, the same for all); launch: seconds of a step besides the rest; copy: seconds to begin one copy.
    """

    flops: float
    bandwidth: float
    memory: float
    link: float = 32e9
    host: float = 25e9
    compute: float = 0.6
    reads: float = 0.8
    launch: float = 2e-3
    copy: float = 10e-6


@dataclass(frozen=True)
class Shape:
    """A decoder. hidden: width of the feed-forward, of one expert where there are `experts`, `chosen` of them a token.

    bytes: of a weight, and of a key's or value's component.
    """

    layers: int
    width: int
    heads: int
    kv_heads: int
    head_dim: int
    hidden: int
    vocab: int
    experts: int = 0
    chosen: int = 0
    bytes: float = 2.0

    @property
    def attention_weights(self) -> float:
        """Weights of a layer's four projections."""
        return 2.0 * self.width * self.head_dim * (self.heads + self.kv_heads)

    @property
    def expert_weights(self) -> float:
        """Weights of one feed-forward."""
        return 3.0 * self.width * self.hidden

    @property
    def weights(self) -> float:
        """All weights."""
        layer = self.attention_weights + self.expert_weights * max(1, self.experts)
        return self.layers * layer + 2.0 * self.vocab * self.width

    @property
    def slot(self) -> float:
        """Bytes of a token's keys and values."""
        return 2.0 * self.layers * self.kv_heads * self.head_dim * self.bytes

    def touched(self, tokens: int) -> float:
        """Experts of a layer that `tokens` tokens are expected to choose, were the router fair."""
        return self.experts * (1 - (1 - self.chosen / self.experts) ** tokens) if self.experts else 0.0


@dataclass(frozen=True)
class Roofline:
    """Each part of a step takes the longer of its arithmetic and its reads; `devices` share every layer.

    Linear layers, attention of prompts (arithmetic) and of decodes (reads) and the head follow each other; two
    all-reduces a layer join the devices. Kernels, caches and imbalance are not modelled.
    """

    hardware: Hardware
    shape: Shape
    devices: int = 1
    room: float = 0.9
    """Share of the memory that weights, keys and values may take."""

    @property
    def slots(self) -> int:
        """What is left beside the weights."""
        left = self.room * self.hardware.memory * self.devices - self.shape.weights * self.shape.bytes
        return max(0, int(left / self.shape.slot))

    @property
    def flops(self) -> float:
        """FLOP/s of all devices."""
        return self.hardware.flops * self.hardware.compute * self.devices

    @property
    def bandwidth(self) -> float:
        """Bytes/s of all devices."""
        return self.hardware.bandwidth * self.hardware.reads * self.devices

    def seconds(self, parts: Sequence[Part]) -> Number:
        """See Cost."""
        total: Number = self.hardware.launch
        rows = 0
        for part in parts:
            total = total + part.share * (self.linear(part.tokens) + self.reduced(part.tokens))
            total = total + part.share * (part.heard * self._heard + part.read * self._read)
            rows = max(rows, part.rows)
        head = float(self.shape.vocab * self.shape.width)
        return total + max(2 * head * rows / self.flops, head * self.shape.bytes / self.bandwidth if rows else 0.0)

    def linear(self, tokens: int) -> float:
        """Seconds of all layers' matrix products for so many tokens."""
        shape = self.shape
        active = shape.attention_weights + shape.expert_weights * max(1, shape.chosen)
        read = shape.attention_weights + shape.expert_weights * (shape.touched(tokens) if shape.experts else 1)
        return shape.layers * max(2 * active * tokens / self.flops, read * shape.bytes / self.bandwidth)

    def reduced(self, tokens: int) -> float:
        """Seconds of all-reduces over the devices, in a ring."""
        if self.devices == 1:
            return 0.0
        moved = 2 * (self.devices - 1) / self.devices * tokens * self.shape.width * self.shape.bytes
        return 2 * self.shape.layers * moved / self.hardware.link

    @property
    def _heard(self) -> float:
        return 4.0 * self.shape.layers * self.shape.heads * self.shape.head_dim / self.flops

    @property
    def _read(self) -> float:
        return self.shape.slot / self.bandwidth

    def copying(self, slots: int, copies: int) -> float:
        """See Cost; every device copies its own share."""
        return copies * self.hardware.copy + slots * self.shape.slot / (self.hardware.host * self.devices)

    def loads(self, parts: Sequence[Part]) -> float:
        """See Cost."""
        return sum(part.share * self.shape.layers * self.shape.touched(part.tokens) for part in parts)


@dataclass(frozen=True)
class Fitted:
    """A step as a sum of what it holds: seconds `base` + so much a token, a row, a key heard, a key read.

    slot: seconds to copy one slot; copy: to begin a copy.
    """

    base: float = 0.0
    token: float = 0.0
    row: float = 0.0
    heard: float = 0.0
    read: float = 0.0
    slots: int = 1 << 20
    slot: float = 0.0
    copy: float = 0.0

    def seconds(self, parts: Sequence[Part]) -> Number:
        """See Cost; what passes some layers only costs their share."""
        total: Number = self.base
        for part in parts:
            own = self.token * part.tokens + self.row * part.rows + self.heard * part.heard
            total = total + part.share * (own + self.read * part.read)
        return total

    def copying(self, slots: int, copies: int) -> float:
        """See Cost."""
        return slots * self.slot + copies * self.copy

    def loads(self, parts: Sequence[Part]) -> float:
        """None: what was measured does not tell."""
        return 0.0


def fit(measured: npt.ArrayLike, slots: int = 1 << 20) -> tuple[Fitted, float]:
    """The price list nearest to what was measured, by least squares on relative errors, and its mean relative error.

    measured: [n, 5], a step each: tokens, rows, keys heard by prompts, keys read by decodes, seconds. No price is
    negative: one that would be is left out, and the others are fitted again. Raises UserError for no such table.
    """
    table = np.atleast_2d(np.asarray(measured, dtype=np.float64))
    if (
        table.ndim != 2
        or table.shape[1] != 5
        or not len(table)
        or not np.isfinite(table).all()
        or table[:, 4].min() <= 0
    ):
        raise UserError("measured steps are rows of five numbers: tokens, rows, keys heard, keys read, seconds above 0")
    seconds = table[:, 4]
    what = np.column_stack([np.ones(len(table)), table[:, :4]]) / seconds[:, None]
    scale = np.abs(what).max(axis=0)
    kept = np.flatnonzero(scale > 0)
    prices = np.zeros(5)
    while len(kept):
        found = np.linalg.lstsq(what[:, kept] / scale[kept], np.ones(len(table)), rcond=None)[0] / scale[kept]
        if found.min() >= 0:
            prices[kept] = found
            break
        kept = np.delete(kept, found.argmin())
    error = float(np.abs(what @ prices - 1).mean())
    base, token, row, heard, reading = map(float, prices)
    return Fitted(base, token, row, heard, reading, slots), error


# Data sheets: dense 16-bit tensor FLOP/s, memory bandwidth and size, link one way.
HARDWARE = {
    "a100": Hardware(312e12, 2.039e12, 80e9, 300e9, 25e9),
    "a100-pcie": Hardware(312e12, 1.935e12, 80e9, 25e9, 25e9),
    "a40": Hardware(149.7e12, 0.696e12, 48e9, 25e9, 25e9),
    "a6000": Hardware(154.8e12, 0.768e12, 48e9, 56e9, 25e9),
    "h100": Hardware(989e12, 3.35e12, 80e9, 450e9, 50e9),
    "h200": Hardware(989e12, 4.8e12, 141e9, 450e9, 50e9),
}
# From the models' own configurations.
SHAPES = {
    "llama-2-7b": Shape(32, 4096, 32, 32, 128, 11008, 32000),
    "llama-3-8b": Shape(32, 4096, 32, 8, 128, 14336, 128256),
    "llama-13b": Shape(40, 5120, 40, 40, 128, 13824, 32000),
    "llama-3-70b": Shape(80, 8192, 64, 8, 128, 28672, 128256),
    "mistral-7b": Shape(32, 4096, 32, 8, 128, 14336, 32000),
    "yi-34b": Shape(60, 7168, 56, 8, 128, 20480, 64000),
    "mixtral-8x7b": Shape(32, 4096, 32, 8, 128, 14336, 32000, experts=8, chosen=2),
    "qwen3-30b-a3b": Shape(48, 2048, 32, 4, 128, 768, 151936, experts=128, chosen=8),
    "gpt-oss-20b": Shape(24, 2880, 64, 8, 64, 2880, 201088, experts=32, chosen=4),
}


def read(hardware: str, model: str = "llama-3-8b", devices: int = 1) -> Cost:
    """The price list of a known device, or of a JSON file.

    The file holds {"hardware": name or its figures, "model": name or its shape, "devices": 1}, where names may be left
    out for the arguments' own; or {"fitted": the prices, "slots": n}; or {"measured": rows as for `fit`, "slots": n}.
    Raises UserError for a name or a file that is none.
    """
    told: Mapping[str, Any] = {"hardware": hardware}
    if hardware not in HARDWARE:
        path = Path(hardware)
        if not path.is_file():
            raise UserError(f"no hardware {hardware!r}: name {', '.join(HARDWARE)}, or a JSON file (docs/simulate.md)")
        try:
            told = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, UnicodeError) as error:
            raise UserError(f"{path}: not JSON: {error}") from None
        if not isinstance(told, dict):
            raise UserError(f"{path}: expected an object with hardware, fitted or measured")
    slots = int(told.get("slots", 1 << 20))
    if "measured" in told:
        return fit(told["measured"], slots)[0]
    if "fitted" in told:
        return cast(Fitted, _made(Fitted, told["fitted"], "fitted", slots=slots))
    if "hardware" not in told:
        raise UserError(f"{hardware}: it has none of hardware, fitted, measured")
    device = _named(Hardware, HARDWARE, told["hardware"], "hardware")
    shape = _named(Shape, SHAPES, told.get("model", model), "model")
    return Roofline(device, shape, int(told.get("devices", devices)))


def _named(kind: type[Any], known: Mapping[str, Any], told: Any, what: str) -> Any:
    if isinstance(told, str):
        if told not in known:
            raise UserError(f"no {what} {told!r}: there is {', '.join(known)}")
        return known[told]
    return _made(kind, told, what)


def _made(kind: type[Any], told: Any, what: str, **more: Any) -> Any:
    names = [one.name for one in fields(kind)]
    try:
        return kind(**{**more, **told})
    except TypeError:
        raise UserError(f"{what} is an object of {', '.join(names)}; got {json.dumps(told)[:80]}") from None
