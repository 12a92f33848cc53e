"""A prefix tree of runs of tokens whose keys and values are held: found, shared, held on to, let go.

A node is a run of tokens that follow its parent's. Tokens are compared as whole arrays, children are found by their
first token, a run that two sequences share in part is split where they part, and its slots with it: nothing is copied.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from itertools import takewhile
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from chunkwise.engine.kv.arena import ArenaFull, Extent, Slots, count, cut
from chunkwise.engine.kv.policy import Policy, lru
from chunkwise.errors import ChunkwiseError

if TYPE_CHECKING:
    from chunkwise.engine.kv.spill import Spill

Tokens = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Exact:
    """Keys and values as the model computes them over the whole prefix."""

    def __str__(self) -> str:
        return "exact"


@dataclass(frozen=True)
class Approximate:
    """Keys and values that are not: by what policy they came to be."""

    policy: str

    def __str__(self) -> str:
        return f"approximate: {self.policy}"


Provenance = Exact | Approximate
EXACT = Exact()


@dataclass(eq=False, slots=True)
class Node:
    """A run of tokens behind its parent's, and the slots of their keys and values.

    chunk: the text plane's id of the chunk that the tokens are, or are a part of; stop: tokens from the root to the
    node's end; references: sequences that hold on to it; used: the tree's clock at its last use; hits: sequences that
    used it; worth: what the policy last said of it.
    """

    parent: Node | None
    tokens: Tokens
    extents: list[Extent]
    prefix: Any  # a running hash over everything from the root to the node's end
    provenance: Provenance
    chunk: str | None = None
    stop: int = 0
    children: dict[int, Node] = field(default_factory=dict)
    references: int = 0
    used: int = 0
    hits: int = 1
    worth: float = 0.0
    ticket: int = 0  # of its latest entry among the leaves that may go

    @property
    def id(self) -> str:
        """128 bits in hex that say namespace, provenance and every token from the root to the node's end."""
        return str(self.prefix.hexdigest())

    def extended(self, tokens: Tokens) -> Any:
        """The running hash behind these further tokens."""
        prefix = self.prefix.copy()
        prefix.update(np.ascontiguousarray(tokens, "<i4").data)
        return prefix


class Match(NamedTuple):
    """The node where the longest held prefix ends, and how many tokens long that is."""

    node: Node
    length: int


class Tree:
    """What is held of the sequences seen so far, over slots that are an Arena's, or have no tensors in a simulation.

    policy: which leaf nobody holds goes first, `lru` or `value()`; spilled: where it goes, else it is dropped.
    One thread at a time.
    """

    def __init__(self, slots: Slots, policy: Policy = lru, spilled: Spill | None = None) -> None:
        self.slots, self.policy, self.spilled = slots, policy, spilled
        self.evictable = 0  # slots in nodes that nobody holds
        self.nodes = 0
        self._clock = 0
        self._roots: dict[str, Node] = {}  # those with children
        self._leaves: list[tuple[float, int, Node]] = []  # a heap; an entry counts while it is its node's latest
        self._floor = 0.0

    def root(self, namespace: str = "", provenance: Provenance = EXACT) -> Node:
        """Where the sequences of a namespace begin. Each provenance has a root of its own, so none finds another's."""
        prefix = hashlib.blake2b(json.dumps([str(provenance), namespace]).encode(), digest_size=16)
        root = Node(None, np.empty(0, np.int32), [], prefix, provenance)
        return self._roots.get(root.id, root)

    def match(self, tokens: npt.ArrayLike, namespace: str = "", provenance: Provenance = EXACT) -> Match:
        """The longest prefix of `tokens` that is held; a node is split when it ends inside. It counts as a use."""
        wanted = _int32(tokens)
        node, length = self._descend(self.root(namespace, provenance), wanted)
        self._touch(node, hits=1)
        return Match(node, length)

    def held(self, tokens: npt.ArrayLike, namespace: str = "", provenance: Provenance = EXACT, *, by: int = 0) -> int:
        """How many tokens `match` would find, in nodes that `by` sequences or more hold; it changes nothing."""
        steps = _steps(self.root(namespace, provenance), _int32(tokens))
        return sum(same for _, same in takewhile(lambda step: step[0].references >= by, steps))

    def insert(
        self,
        parent: Node,
        tokens: npt.ArrayLike,
        extents: Sequence[Extent],
        *,
        chunk: str | None = None,
        provenance: Provenance = EXACT,
    ) -> Node:
        """The node that ends with `tokens` behind `parent`; their slots are the tree's from here on.

        Where the tree has these tokens already it keeps its own slots and frees the ones given.
        Raises ChunkwiseError when there is not one slot for each token, when the parent went meanwhile (pin it), or has
        another provenance: keys and values that heard approximate ones are approximate, and never found as exact.
        """
        run = _int32(tokens)
        if provenance != parent.provenance:
            raise ChunkwiseError(
                f"{provenance} keys and values below {parent.provenance} ones; begin at `root(..., provenance)`"
            )
        if count(extents) != len(run):
            raise ChunkwiseError(f"{len(run):,} tokens in {count(extents):,} slots; each token has one")
        if parent.stop and parent.parent is None:
            raise ChunkwiseError("the parent is no longer in the tree; pin a node for as long as a sequence needs it")
        if not len(run):
            return parent
        node, held = self._descend(self._roots.get(parent.id, parent) if not parent.stop else parent, run)
        double, own = cut(extents, held)
        self.slots.free(double)
        if own:
            node = self._attach(node, run[held:].copy(), own, chunk)
        self._touch(node, hits=0)
        return node

    def path(self, node: Node) -> list[Node]:
        """From the first node below the root to this one: all that a sequence ending here hears, in order."""
        return [*_upwards(node)][::-1]

    def pin(self, node: Node) -> None:
        """Hold on to the node and all before it, until `release`."""
        for one in _upwards(node):
            self.evictable -= 0 if one.references else len(one.tokens)
            one.references += 1

    def release(self, node: Node) -> None:
        """Undo one `pin`. Raises ChunkwiseError when nobody holds the node."""
        if node.parent and not node.references:
            raise ChunkwiseError("a node is released that nobody holds")
        for one in _upwards(node):
            one.references -= 1
            self.evictable += 0 if one.references else len(one.tokens)
        self._offer(node)

    def make_room(self, n: int) -> None:
        """Let go of what is worth least, leaves first, until `n` slots are free.

        Raises ArenaFull, and lets nothing go, when what is held on to stands in the way.
        """
        free = self.slots.free_slots
        if n > free + self.evictable:
            raise ArenaFull(
                f"{n:,} slots asked for; {free:,} of {self.slots.total:,} are free and {self.evictable:,} more could "
                "be, the rest is in use; wait until a sequence ends, or make the arena larger"
            )
        while self.slots.free_slots < n:
            worth, ticket, node = heappop(self._leaves)
            if node.ticket == ticket and self._may_go(node):
                self._floor = max(self._floor, worth)
                self.spill(node)

    def spill(self, node: Node) -> None:
        """Let a leaf go, into the spill folder if there is one. Raises ChunkwiseError when it is held or no leaf."""
        parent = node.parent
        if parent is None or not self._may_go(node):
            raise ChunkwiseError("only a node that nobody holds and that none follows can be spilled")
        if self.spilled:
            self.spilled.write(node)
        self.slots.free(node.extents)
        del parent.children[int(node.tokens[0])]
        self.evictable -= len(node.tokens)
        self.nodes -= 1
        node.parent, node.extents = None, []
        if not parent.stop and not parent.children:
            del self._roots[parent.id]
        self._offer(parent)

    def reload(self, tokens: npt.ArrayLike, namespace: str = "", provenance: Provenance = EXACT) -> Match:
        """As `match`, with what was spilled brought back behind what is held, for as far as there is room."""
        wanted = _int32(tokens)
        node, length = self.match(wanted, namespace, provenance)
        while self.spilled and (found := self.spilled.find(node, wanted[length:])):
            self.pin(node)
            try:
                self.make_room(found.length)
                extents = self.slots.allocate(found.length)
            except ArenaFull:
                break
            finally:
                self.release(node)
            if self.spilled.read(node, found, extents):
                run = wanted[length : length + found.length]
                node = self.insert(node, run, extents, chunk=found.chunk, provenance=provenance)
                length += found.length
            else:
                self.slots.free(extents)
        return Match(node, length)

    def _descend(self, node: Node, tokens: Tokens) -> Match:
        """As far down as the tokens go, the last node split if they end or part inside it."""
        length = 0
        for child, same in _steps(node, tokens):
            length += same
            node = child if same == len(child.tokens) else self._split(child, same)
        return Match(node, length)

    def _attach(self, parent: Node, tokens: Tokens, extents: list[Extent], chunk: str | None) -> Node:
        stop = parent.stop + len(tokens)
        node = Node(parent, tokens, extents, parent.extended(tokens), parent.provenance, chunk, stop)
        if not parent.stop:
            self._roots[parent.id] = parent
        parent.children[int(tokens[0])] = node
        self.evictable += len(tokens)
        self.nodes += 1
        return node

    def _split(self, node: Node, at: int) -> Node:
        """The new node of the first `at` tokens; the old one keeps the rest, its end and so its id."""
        assert node.parent is not None
        head, tail = cut(node.extents, at)
        upper = Node(
            node.parent, node.tokens[:at], head, node.parent.extended(node.tokens[:at]), node.provenance, node.chunk,
            node.parent.stop + at, {int(node.tokens[at]): node}, node.references, node.used, node.hits, node.worth,
        )  # fmt: skip
        node.parent.children[int(node.tokens[0])] = upper
        node.parent, node.tokens, node.extents = upper, node.tokens[at:], tail
        self.nodes += 1
        return upper

    def _touch(self, node: Node, hits: int) -> None:
        """A use of the node and all before it, by a sequence that is new to them or not."""
        self._clock += 1
        for one in _upwards(node):
            one.used, one.hits = self._clock, one.hits + hits
            one.worth = self.policy(one, self._floor)
        self._offer(node)

    def _may_go(self, node: Node) -> bool:
        return node.parent is not None and not node.children and not node.references

    def _offer(self, node: Node) -> None:
        """Among the leaves that may go, at what it is worth now; an older entry of it counts no more."""
        if not self._may_go(node):
            return
        self._clock += 1
        node.ticket = self._clock
        heappush(self._leaves, (node.worth, node.ticket, node))
        if len(self._leaves) > 64 + 2 * self.nodes:
            self._leaves = [entry for entry in self._leaves if entry[2].ticket == entry[1] and self._may_go(entry[2])]
            heapify(self._leaves)

    def check(self) -> None:
        """Raise AssertionError unless every invariant of the tree and its slots holds. Visits every node."""
        nodes, extents, free = 0, [], 0
        offered = {ticket for _, ticket, _ in self._leaves}
        waiting = [*self._roots.values()]
        assert all(root.children and not root.stop for root in waiting)
        while waiting:
            node = waiting.pop()
            assert node.references >= sum(child.references for child in node.children.values()) or not node.stop
            for first, child in node.children.items():
                waiting.append(child)
                nodes += 1
                extents += child.extents
                free += 0 if child.references else len(child.tokens)
                assert first == child.tokens[0], "a child lies under another's first token"
                assert child.parent is node
                assert child.provenance == node.provenance, "approximate and exact meet on one path"
                assert count(child.extents) == len(child.tokens) == child.stop - node.stop
                assert child.id == node.extended(child.tokens).hexdigest(), "an id does not say its prefix"
                assert not self._may_go(child) or child.ticket in offered, "a leaf cannot go that could"
        assert (self.nodes, self.evictable) == (nodes, free)
        self.slots.check(extents)


def _int32(tokens: npt.ArrayLike) -> Tokens:
    return np.ascontiguousarray(tokens, np.int32).reshape(-1)


def common(one: Tokens, other: Tokens) -> int:
    """How many tokens both begin with."""
    n = min(len(one), len(other))
    differs = one[:n] != other[:n]
    return int(differs.argmax()) if differs.any() else n


def _steps(node: Node, tokens: Tokens) -> Iterator[tuple[Node, int]]:
    """Each further node on the way of the tokens, and how many of its tokens it shares; all but the last whole."""
    at = 0
    while at < len(tokens) and (child := node.children.get(int(tokens[at]))):
        same = common(child.tokens, tokens[at:])
        whole = same == len(child.tokens)
        yield child, same
        if not whole:
            return
        node, at = child, at + same


def _upwards(node: Node) -> Iterator[Node]:
    """The node and all before it, the last first, without the root."""
    while node.parent is not None:
        yield node
        node = node.parent
