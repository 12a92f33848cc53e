"""Attention in parts, merged by log-sum-exp: one exact softmax, whatever the parts and whoever shares them."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from chunkwise.engine.kernels import Runs, Turned
from chunkwise.engine.kernels.attention import Run
from chunkwise.engine.kv.arena import Arena
from chunkwise.engine.rope import Rope
from chunkwise.units import Ints

FEW = 16  # rows of a causal part up to which the compiled kernel hears them; more are a prefill, which SDPA is made for


class Partial(NamedTuple):
    """What queries heard of some keys: `out` [.., t, dim], a softmax in itself, and `lse` [.., t], the natural log of
    its denominator; zeros and -inf where nothing was heard."""

    out: Tensor
    lse: Tensor


def partial(
    q: Tensor, k: Tensor, v: Tensor, *, causal: bool = False, scale: float | None = None, bias: Tensor | None = None
) -> Partial:
    """Attention of q [b, heads, t, dim] over k and v [b, kv_heads, n, dim], with its log-sum-exp.

    Consecutive query heads share a key-value head; nothing is expanded. causal: the last query hears all keys, each one
    before it one key less. scale: of the products, 1 / sqrt(dim) by default. bias: added to the scaled products, in any
    shape that broadcasts to [b, heads, t, n]; where it is -inf nothing is heard.
    """
    (b, heads, t, dim), (kv_heads, n) = q.shape, k.shape[1:3]
    scale = 1 / math.sqrt(dim) if scale is None else scale
    if t == 0 or n == 0:
        return _nothing(q)
    if causal and t > 1 and n != t:
        return _lower_right(q, k, v, scale, bias)
    if bias is not None:
        bias = bias.to(q.dtype).expand(b, heads, t, n)
    causal = causal and t > 1
    if bias is None and not causal and heads != kv_heads:
        # Unmasked, the heads that share keys are so many rows: one product instead of several.
        rows = _attention(q.reshape(b, kv_heads, -1, dim), k, v, False, scale, None)
        return Partial(rows.out.reshape(q.shape), rows.lse.reshape(b, heads, t))
    return _attention(q, k, v, causal, scale, bias)


def merge(partials: Sequence[Partial]) -> Partial:
    """The attention over all that the partials heard, exactly, each weighed by its share of the denominator."""
    if len(partials) == 1:
        return partials[0]
    lse = torch.stack([each.lse for each in partials])
    most = lse.amax(0)
    weights = torch.exp(lse - torch.where(most == -math.inf, 0, most))
    total = weights.sum(0)
    shares = torch.where(total == 0, 0, weights / total)[..., None].to(partials[0].out.dtype)
    out = torch.stack([each.out for each in partials]).mul_(shares).sum(0)
    return Partial(out, most + torch.log(total))


def _nothing(q: Tensor) -> Partial:
    kind = torch.promote_types(q.dtype, torch.float32)
    lse = torch.full(q.shape[:-1], -math.inf, dtype=kind, device=q.device)
    return Partial(torch.zeros(q.shape, dtype=q.dtype, device=q.device), lse)


def _lower_right(q: Tensor, k: Tensor, v: Tensor, scale: float, bias: Tensor | None) -> Partial:
    """Causal attention of unequally many queries and keys: the square at the end, and what all queries hear."""
    t, n = q.shape[2], k.shape[2]
    bias = bias if bias is None else bias.expand(*q.shape[:3], n)
    if n < t:
        unheard, late = _nothing(q[:, :, : t - n]), bias if bias is None else bias[:, :, t - n :]
        heard = partial(q[:, :, t - n :], k, v, causal=True, scale=scale, bias=late)
        return Partial(torch.cat([unheard.out, heard.out], 2), torch.cat([unheard.lse, heard.lse], 2))

    def over(keys: slice, causal: bool) -> Partial:
        near = bias if bias is None else bias[..., keys]
        return partial(q, k[:, :, keys], v[:, :, keys], causal=causal, scale=scale, bias=near)

    return merge([over(slice(n - t), False), over(slice(n - t, n), True)])


def _attention(q: Tensor, k: Tensor, v: Tensor, causal: bool, scale: float, bias: Tensor | None) -> Partial:
    """Whole or square causal attention, by torch's fused kernel where it has one that tells the log-sum-exp."""
    if q.device.type == "cpu" and not (causal and bias is not None):
        fused = torch.ops.aten._scaled_dot_product_flash_attention_for_cpu
        out, lse = fused(q, k, v, 0.0, causal, attn_mask=bias, scale=scale)
        if bias is not None:  # it tells 0 for rows that hear nothing
            lse = lse.masked_fill((bias == -math.inf).all(-1), -math.inf)
        return Partial(out, lse)
    if q.is_cuda and bias is None and q.dtype in (torch.float16, torch.bfloat16) and q.shape[-1] % 8 == 0:
        group = q.shape[1] // k.shape[1]
        fused = torch.ops.aten._scaled_dot_product_flash_attention
        out, lse, *_ = fused(
            q, k.repeat_interleave(group, 1), v.repeat_interleave(group, 1), 0.0, causal, False, scale=scale
        )
        return Partial(out, lse)
    return _plain(q, k, v, causal, scale, bias)


def _plain(q: Tensor, k: Tensor, v: Tensor, causal: bool, scale: float, bias: Tensor | None) -> Partial:
    """The same by plain products, for devices and shapes that the fused kernels do not take."""
    (b, heads, t, dim), (kv_heads, n) = q.shape, k.shape[1:3]
    kind = torch.promote_types(q.dtype, torch.float32)
    grouped = q.reshape(b, kv_heads, -1, dim).to(kind)
    scores = (grouped @ k.to(kind).transpose(-1, -2)).view(b, heads, t, n) * scale
    if bias is not None:
        scores = scores + bias
    if causal:
        scores = scores.masked_fill(torch.ones(t, n, dtype=torch.bool, device=q.device).triu(1), -math.inf)
    lse = torch.logsumexp(scores, -1)
    weights = torch.exp(scores - torch.where(lse == -math.inf, 0, lse)[..., None])
    out = weights.view(b, kv_heads, -1, n) @ v.to(kind)
    return Partial(out.view(b, heads, t, dim).to(q.dtype), lse)


class Part(NamedTuple):
    """These rows of a pass hear those slots of the arena.

    rows: a slice, or int64 numbers where they do not adjoin; slots: a slice, or int32 numbers; causal: the slots end
    with the rows' own tokens, and the last row hears them all, each one before it one less.
    """

    rows: slice | Tensor
    slots: slice | Tensor
    causal: bool = False


class _Group(NamedTuple):
    rows: Ints
    slots: slice | Tensor
    causal: bool


class _Alike(NamedTuple):
    """Groups of the very same rows, for torch. alone: whether these rows hear nothing else."""

    rows: slice | Tensor
    groups: list[_Group]
    alone: bool


class Plan:
    """Who hears what in one pass, prepared for all its layers.

    A run of slots that several rows hear is read once for all of them, as in "Hydragen: High-Throughput LLM Inference
    with Shared Prefixes" and, over a tree of runs, "ChunkAttention: Efficient Self-Attention with Prefix-Aware KV Cache
    and Two-Phase Partition". Prefilled rows (those of a causal part of more than 16) go to torch's fused attention;
    all others to the compiled kernel, where there is one.

    parts: a row hears the union of its parts, which must not overlap. They are computed as they are cut: the same
    parts give the same bits. share: False reads every run anew for each row, as one would without this.
    read: slots that one layer reads, each as often as it is read.
    """

    def __init__(self, parts: Sequence[Part], *, share: bool = True) -> None:
        groups = [group for group in map(_group, parts) if len(group.rows) and _length(group.slots) > 0]
        prefilled = _together([group.rows for group in groups if group.causal and len(group.rows) > FEW])
        prefills, decodes = _divided(groups, prefilled) if len(prefilled) else ([], groups)
        self._rows = _end([_together([group.rows for group in groups])])
        self._slots = _end([group.slots for group in groups])
        decodes = _shared(decodes) if share else [each for group in decodes for each in _apart(group)]
        self.read = sum(_length(group.slots) for group in (*prefills, *decodes))
        self._runs = _runs(decodes)
        self._prefills, self._groups = _alike(prefills), decodes

    @cached_property
    def _decodes(self) -> list[_Alike]:
        return _alike(self._groups)

    def __call__(self, q: Tensor, keys: Tensor, values: Tensor, scale: float) -> Partial:
        """What every row of q [t, heads, dim] hears, as out [t, heads, dim] and lse [t, heads]; see `attend`."""
        _within(self._rows, len(q), "rows")
        _within(self._slots, keys.shape[1], "slots")
        compiled = Runs.fit(q, keys, values)
        if compiled and len(self._runs.rows) == len(q):
            heard = Partial(torch.empty(q.shape), torch.empty(q.shape[:2]))
        else:
            heard = _nothing(q)
        if compiled:
            self._runs(q, keys, values, scale, *heard)
        for alike in self._prefills if compiled else (*self._prefills, *self._decodes):
            _hear(alike, q, keys, values, scale, heard)
        return heard


def cut(parts: Sequence[Part], size: int) -> list[Part]:
    """The parts cut at every multiple of `size` slots, so that rows which share some chunks of a run share them all.

    The last slots of a causal part, which its rows do not all hear, stay together; listed slots stay as they are.
    """
    found = []
    for part in parts:
        if not isinstance(part.slots, slice):
            found.append(part)
            continue
        start, stop = part.slots.start, part.slots.stop
        alike = stop - len(_numbers(part.rows)) if part.causal else stop - 1
        cuts = [start, *range((start // size + 1) * size, alike + 1, size), stop]
        found += [Part(part.rows, slice(a, z), part.causal and z == stop) for a, z in pairwise(cuts)]
    return found


def attend(q: Tensor, keys: Tensor, values: Tensor, plan: Plan, scale: float | None = None) -> Tensor:
    """What the rows hear, [t, heads, dim], of q [t, heads, dim] and an arena's keys and values [kv_heads, slots, dim].

    scale: of the products, 1 / sqrt(dim) by default. A row without parts hears nothing, zeros. Raises IndexError where
    the plan names a row or a slot that is not there.
    """
    return plan(q, keys, values, 1 / math.sqrt(q.shape[-1]) if scale is None else scale).out


def subset(
    q: Tensor, keys: Tensor, values: Tensor, chosen: Tensor, unit: int = 1, scale: float | None = None
) -> Partial:
    """What each row hears of slots of its own choice: out [t, heads, dim] and lse [t, heads].

    q [t, heads, dim]; keys and values [kv_heads, slots, dim]; chosen: int32 [t, kv_heads or 1, m], no slot twice; with
    `unit`, the numbers of runs of that many slots, so that 3 means 192 to 255 where unit is 64. Nothing is gathered
    into memory where the kernel is there; whole runs of 64 are quicker than as many single slots. Raises IndexError for
    slots that are not there.
    """
    scale = 1 / math.sqrt(q.shape[-1]) if scale is None else scale
    t, lists, m = chosen.shape
    _within(_end([chosen.flatten()]), keys.shape[1] // unit, "slots")
    if not Runs.fit(q, keys, values):
        return _gathered(q, keys, values, chosen, unit, scale)
    chosen = chosen.to(torch.int32).contiguous()
    runs = [Run(np.array([row]), row * lists * m, row * lists * m + m, listed=True) for row in range(t)]
    heard = _nothing(q)
    Runs(runs, chosen, unit, m if lists > 1 else 0)(q, keys, values, scale, *heard)
    return heard


def _gathered(q: Tensor, keys: Tensor, values: Tensor, chosen: Tensor, unit: int, scale: float) -> Partial:
    t, heads, dim = q.shape
    kv_heads = keys.shape[0]
    slots = (chosen.long()[..., None] * unit + torch.arange(unit, device=q.device)).flatten(2)
    at = slots.expand(t, kv_heads, -1)[..., None].expand(-1, -1, -1, dim)
    k, v = (torch.gather(each.expand(t, -1, -1, -1), 2, at) for each in (keys, values))
    heard = partial(q[:, :, None], k, v, scale=scale)
    return Partial(heard.out.view(t, heads, dim), heard.lse.view(t, heads))


def _group(part: Part) -> _Group:
    rows = _numbers(part.rows)
    return _Group(rows, part.slots, part.causal and len(rows) > 1)


def _numbers(rows: slice | Tensor) -> Ints:
    return np.arange(rows.start, rows.stop) if isinstance(rows, slice) else rows.cpu().numpy().astype(np.int64)


def _length(slots: slice | Tensor) -> int:
    return slots.stop - slots.start if isinstance(slots, slice) else len(slots)


def _end(numbers: Sequence[Ints | Tensor | slice]) -> int:
    """One more than the greatest number; IndexError for one below zero."""
    reach = [
        (some.start, some.stop) if isinstance(some, slice) else (int(some.min()), int(some.max()) + 1)
        for some in numbers
        if isinstance(some, slice) or len(some)
    ]
    if reach and (least := min(start for start, _ in reach)) < 0:
        raise IndexError(f"number {least} is not there: rows and slots count from 0")
    return max((stop for _, stop in reach), default=0)


def _within(end: int, size: int, what: str) -> None:
    if end > size:
        raise IndexError(f"{what} up to {end - 1} are asked for, those from {size} on are not there")


def _together(rows: Sequence[Ints]) -> Ints:
    return np.concatenate(rows or [np.zeros(0, np.int64)])


def _divided(groups: Sequence[_Group], prefilled: Ints) -> tuple[list[_Group], list[_Group]]:
    """The groups of the prefilled rows, and those of all others."""
    prefills: list[_Group] = []
    decodes: list[_Group] = []
    for group in groups:
        long = np.isin(group.rows, prefilled)
        for rows, half in ((group.rows[long], prefills), (group.rows[~long], decodes)):
            if len(rows):
                half.append(group._replace(rows=rows))
    return prefills, decodes


def _shared(groups: Sequence[_Group]) -> list[_Group]:
    """One group for all rows that hear the same run whole, in the order in which the runs first come."""
    found: dict[object, list[_Group]] = defaultdict(list)
    for number, group in enumerate(groups):
        run = group.slots
        found[(run.start, run.stop) if isinstance(run, slice) and not group.causal else number].append(group)
    return [
        same[0] if len(same) == 1 else same[0]._replace(rows=_together([group.rows for group in same]))
        for same in found.values()
    ]


def _apart(group: _Group) -> list[_Group]:
    """A group for each of its rows alone."""
    return [group] if group.causal else [group._replace(rows=group.rows[i : i + 1]) for i in range(len(group.rows))]


def _runs(groups: Sequence[_Group]) -> Runs:
    """The groups laid out for the kernel, the lists of slots one after another."""
    lists = [group.slots for group in groups if not isinstance(group.slots, slice)]
    runs, at = [], 0
    for rows, slots, causal in groups:
        if isinstance(slots, slice):
            runs.append(Run(rows, slots.start, slots.stop, causal=causal))
        else:
            runs.append(Run(rows, at, at + len(slots), listed=True, causal=causal))
            at += len(slots)
    return Runs(runs, torch.cat(lists).to("cpu", torch.int32) if lists else None)


def _alike(groups: Sequence[_Group]) -> list[_Alike]:
    found: dict[bytes, list[_Group]] = defaultdict(list)
    for group in groups:
        found[group.rows.tobytes()].append(group)
    often = np.bincount(_together([same[0].rows for same in found.values()]))
    return [_Alike(_adjoining(same[0].rows), same, bool((often[same[0].rows] == 1).all())) for same in found.values()]


def _adjoining(rows: Ints) -> slice | Tensor:
    """The rows as a slice where they are one."""
    first = int(rows[0])
    return slice(first, first + len(rows)) if (np.diff(rows) == 1).all() else torch.from_numpy(rows)


def _hear(alike: _Alike, q: Tensor, keys: Tensor, values: Tensor, scale: float, into: Partial) -> None:
    """Merge what the groups hear, by torch alone, into what their rows have heard before."""
    rows = alike.rows if isinstance(alike.rows, slice) else alike.rows.to(q.device)
    asked = q[rows].transpose(0, 1)[None]
    heard = []
    for _, slots, causal in alike.groups:
        at = slots if isinstance(slots, slice) else slots.long().to(q.device)
        heard.append(partial(asked, keys[None, :, at], values[None, :, at], causal=causal, scale=scale))
    if not alike.alone:
        heard.append(Partial(into.out[rows].transpose(0, 1)[None], into.lse[rows].transpose(0, 1)[None]))
    merged = merge(heard)
    into.out[rows], into.lse[rows] = merged.out[0].transpose(0, 1), merged.lse[0].transpose(0, 1)


class Cached:
    """Exact attention over an arena, as a decoder asks for it: keys and values are written, then heard by the plan.

    positions: int64 [t], of the pass's tokens; write: the slots of its t tokens, in their order, as runs; lengths:
    int64 [t], how long the sequence of each token is by now, for the rotations that depend on it.
    """

    def __init__(
        self,
        arena: Arena,
        rope: Rope,
        positions: Tensor,
        write: Sequence[slice],
        plan: Plan,
        lengths: Tensor | None = None,
    ) -> None:
        self._arena, self._turned, self._plan = arena, rope.at(positions, lengths), plan
        slots = _together([np.arange(run.start, run.stop) for run in write])
        self._few = Turned(*self._turned, slots)
        self._slots = write[0] if len(write) == 1 else torch.from_numpy(slots).to(positions.device)

    def __call__(self, layer: int, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """What the t tokens hear at that layer: q [t, heads, dim], k and v [t, kv_heads, dim], none rotated yet."""
        keys, values = self._arena.keys[layer], self._arena.values[layer]
        if (turned := self._few(q, k, v, keys, values)) is not None:
            return attend(turned, keys, values, self._plan)
        for held, new in ((keys, self._turned(k)), (values, v)):
            if isinstance(self._slots, slice):
                held[:, self._slots] = new.transpose(0, 1)
            else:
                held.index_copy_(1, self._slots, new.transpose(0, 1))
        return attend(self._turned(q), keys, values, self._plan)
