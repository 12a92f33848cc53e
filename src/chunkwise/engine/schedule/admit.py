"""In which order waiting requests are taken in."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

from chunkwise.engine.schedule.request import Request

Rank: TypeAlias = Callable[[Request], Any]
"""What requests are sorted by, the first to be served first; it does not change while a request waits."""


@dataclass(frozen=True)
class Order:
    """rank: who comes first; skips: those behind one that does not fit may pass it.

    level: where given, a request may preempt another whose level is higher; `turn`: tokens after which a running
    request's level changes. awaits: while one computes the prefix of its group, the others wait for it, and all behind
    them. plan: looks once at all requests of a batch that is known ahead, and may set their `group`, `prefix` and
    `priority`.
    """

    rank: Rank
    skips: bool = False
    level: Callable[[Request], int] | None = None
    turn: int = 0
    awaits: bool = False
    plan: Callable[[Sequence[Request]], None] | None = None


def first_come(skips: bool = False) -> Order:
    """By arrival."""
    return Order(lambda one: (one.arrival, one.id), skips)


def shortest() -> Order:
    """The fewest tokens still expected first."""
    return Order(lambda one: (one.expected - one.produced, one.arrival, one.id))


def largest(claim: Callable[[Request], int]) -> Order:
    """The largest claim on memory first, and the next that fits into what is left: decreasing first fit."""
    return Order(lambda one: (-claim(one), one.arrival, one.id), skips=True)


def fair(turn: int) -> Order:
    """By priority; at equal priority whoever has had the fewest turns of `turn` tokens, and that one preempts others.

    A request falls a level with every turn, so nothing long holds up what is short, and everything ends.
    """
    return Order(
        lambda one: (one.priority + one.produced // turn, one.arrival, one.id),
        level=lambda one: one.priority + one.produced // turn,
        turn=turn,
    )


def by_group() -> Order:
    """Groups that begin alike one after another, those that decode most for what they prefill first.

    The whole batch has to be known ahead. BatchLLM: Optimizing Large Batched LLM Inference with Global Prefix Sharing
    and Throughput-oriented Token Batching.
    """

    def plan(requests: Sequence[Request]) -> None:
        """Groups are found in the prompts where no one has named them; the place of each becomes its priority."""
        unnamed = [one for one in requests if one.group is None]
        for one, (name, shared) in zip(unnamed, first_level([_symbols(one) for one in unnamed]), strict=True):
            one.group, one.prefix = name, shared * (one.block if one.prompt is None else 1)
        members = defaultdict[Hashable, list[Request]](list)
        for one in requests:
            members[one.id if one.group is None else one.group].append(one)

        def ratio(group: Sequence[Request]) -> float:
            shared = max(one.prefix for one in group)
            prefill = shared + sum(one.prompt_tokens - one.prefix for one in group)
            return sum(one.expected for one in group) / max(1, prefill)

        for place, group in enumerate(sorted(members.values(), key=ratio, reverse=True)):
            for one in group:
                one.priority = place

    return Order(lambda one: (one.priority, one.arrival, one.id), awaits=True, plan=plan)


def _symbols(request: Request) -> Sequence[Any]:
    return request.blocks if request.prompt is None else tuple(request.prompt.tolist())


def first_level(prompts: Sequence[Sequence[Any]]) -> list[tuple[int | None, int]]:
    """For each prompt the group that it shares its beginning with (None: alone), and how many symbols they share.

    The prompts make a prefix tree, of which every path from the root may be cut once; the cuts are those that save the
    most symbols, where a group of n that shares d saves (n - 1) d. Found from the leaves up: a node is either one group
    or the best of its children. Symbols must be comparable.
    """
    order = sorted(range(len(prompts)), key=lambda at: tuple(prompts[at]))
    alike = [_common(prompts[a], prompts[b]) for a, b in pairwise(order)]
    found: list[tuple[int | None, int]] = [(None, 0)] * len(prompts)

    def settle(node: _Node) -> None:
        whole = (node.stop - node.start - 1) * node.depth
        if whole >= node.saved:
            node.saved, node.cuts = whole, [node]

    # Sorted prompts that share a beginning stand together: a stack of depths walks the tree without building it.
    stack = [_Node(0, 0)]
    for at, depth in enumerate([*alike, 0]):
        start = at
        while stack[-1].depth > depth:
            done = stack.pop()
            done.stop, start = at + 1, done.start
            settle(done)
            if stack[-1].depth < depth:
                stack.append(_Node(depth, start))
            stack[-1].saved += done.saved
            stack[-1].cuts += done.cuts
        if stack[-1].depth < depth:
            stack.append(_Node(depth, start))
    for number, cut in enumerate(stack[0].cuts):
        for at in order[cut.start : cut.stop]:
            found[at] = (number, cut.depth)
    return found


class _Node:
    """A run of sorted prompts with `depth` symbols in common; the best that can be saved in it, and by which cuts."""

    def __init__(self, depth: int, start: int) -> None:
        self.depth, self.start, self.stop, self.saved = depth, start, start, 0
        self.cuts: list[_Node] = []


def _common(a: Sequence[Any], b: Sequence[Any]) -> int:
    return next((at for at, (one, other) in enumerate(zip(a, b, strict=False)) if one != other), min(len(a), len(b)))
