"""Requests to tokens, one pass after the other: the scheduler decides, the pass is run, the next tokens are drawn."""

from __future__ import annotations

import math
import time
from bisect import insort
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from chunkwise.engine.attention import Cached, Part, Plan
from chunkwise.engine.decoder import Decoder
from chunkwise.engine.kv.arena import Arena, Extent, cut, join
from chunkwise.engine.kv.policy import Policy, lru
from chunkwise.engine.kv.spill import Spill
from chunkwise.engine.kv.tree import Node, Tree, common
from chunkwise.engine.sample import Sampler
from chunkwise.engine.schedule import Request, Scheduler, Work
from chunkwise.errors import UserError

ALIKE = 32  # tokens that are worth waiting for while another request computes them
Finish = Literal["stop", "length", "error"]


class Token(NamedTuple):
    """One token of a request, as it comes out.

    logprob: the model's own, in nats, before any transform; best: the most probable tokens there and their
    log-probabilities, as many as were asked for; finish: why it is the last one, or None. Where a request ends without
    another token, cut short by the scheduler or ("error") since the model gave what is not a number, it is -1. cached:
    tokens of the prompt that were held when it was first taken in.
    """

    request: Request
    token: int
    logprob: float
    best: tuple[tuple[int, float], ...] = ()
    finish: Finish | None = None
    cached: int = 0


@dataclass(slots=True, eq=False)
class Sequence:
    """A request's tokens, and what it holds: nodes of the tree, and behind them a tail that is nobody else's.

    tokens: int32, the prompt and room for all that it may put out; ends: tokens that end it; alternatives: how many of
    the most probable tokens are told; node: the last of its nodes, pinned; tail: the slots of the tokens behind it;
    between: states [chunk, width] of tokens that have passed some of the layers; counts: how often each token was put
    out.
    """

    request: Request
    tokens: npt.NDArray[np.int32]
    sampler: Sampler
    ends: Collection[int]
    alternatives: int
    namespace: str
    node: Node
    tail: list[Extent] = field(default_factory=list)
    between: Tensor | None = None
    cached: int | None = None
    counts: Counter[int] = field(default_factory=Counter)

    @property
    def known(self) -> npt.NDArray[np.int32]:
        """The prompt and what was put out so far."""
        return self.tokens[: self.request.tokens]


class Piece(NamedTuple):
    """The part of a sequence in one pass: its tokens from `start` to `stop`, and the slots that their keys go to."""

    sequence: Sequence
    start: int
    stop: int
    write: list[Extent]


class Engine:
    """Runs requests through a decoder, together, and keeps what was computed for those that begin alike.

    decoder: the model; slots: tokens whose keys and values there is room for; scheduler: what decides, which must not
    be shared; policy and spilled: what leaves the tree first, and where it goes. One thread at a time.

    The way of a request: `add` puts it among the waiting. A step asks the scheduler, which takes it in; what the tree
    holds of its prompt need not be computed. Its prompt goes through the model in one or more pieces, each of which is
    put into the tree at once. Then each step draws a token, until it ends, and its slots are anybody's who wants them.
    """

    def __init__(
        self,
        decoder: Decoder,
        slots: int,
        scheduler: Scheduler,
        policy: Policy = lru,
        spilled: Callable[[Arena], Spill] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        config = decoder.config
        self.decoder = decoder
        self.arena = Arena(
            slots,
            layers=config.layers,
            kv_heads=config.kv_heads,
            dim=config.head_dim,
            dtype=decoder.dtype,
            device=decoder.device,
        )
        self.tree = Tree(self.arena, policy, spilled(self.arena) if spilled else None)
        self.scheduler = replace(scheduler, split=replace(scheduler.split, model_layers=config.layers))
        self.waiting: list[Request] = []
        self.running: list[Request] = []
        self.computed = self.reused = self.steps = 0  # tokens, tokens, passes
        self._sequences: dict[int | str, Sequence] = {}
        self._clock = clock

    @property
    def total(self) -> int:
        """Slots in all; with `free`, `cached` and `shared` the memory as a scheduler sees it."""
        return self.arena.total

    @property
    def free(self) -> int:
        """Slots that are empty or hold what may be dropped."""
        return self.arena.free_slots + self.tree.evictable

    def cached(self, request: Request) -> int:
        """First tokens that the tree holds; one less than all at the most, since the last one must be asked."""
        sequence = self._sequences[request.id]
        return self.tree.held(sequence.known[:-1], sequence.namespace)

    def shared(self, request: Request) -> int:
        """First tokens that other running requests hold on to."""
        sequence = self._sequences[request.id]
        return self.tree.held(sequence.known[:-1], sequence.namespace, by=1 + (request in self.running))

    def add(
        self,
        request: Request,
        sampler: Sampler | None = None,
        *,
        ends: Collection[int] = (),
        alternatives: int = 0,
        namespace: str = "",
    ) -> None:
        """Put a request among the waiting; its `prompt` is int32 [prompt_tokens].

        ends: tokens that end it, themselves not told; namespace: requests of different ones share nothing.
        Raises UserError for a prompt that is empty, has tokens that the model has not, or is too long, with one token
        more, for its window or for the memory; what is asked for beyond those is cut.
        """
        prompt, config = request.prompt, self.decoder.config
        if prompt is None or not len(prompt):
            raise UserError(f"request {request.id} has no tokens; give at least one, such as the model's first token")
        if request.id in self._sequences:
            raise UserError(f"request {request.id} is under way already; give each an id of its own")
        if not 0 <= int(prompt.min()) <= int(prompt.max()) < config.vocabulary:
            raise UserError(
                f"request {request.id} has tokens outside 0 to {config.vocabulary - 1}: another tokenizer's?"
            )
        window, room = config.positions, self.arena.total
        most = min(window, room)
        if len(prompt) >= most:
            limit = f"the model's window of {window:,}" if window <= room else f"the memory of {room:,} tokens"
            raise UserError(f"a prompt of {len(prompt):,} tokens leaves no room for an answer in {limit}; shorten it")
        request.max_tokens = max(1, min(request.max_tokens, most - len(prompt)))
        tokens = np.empty(len(prompt) + request.max_tokens, np.int32)
        tokens[: len(prompt)] = prompt
        made = Sequence(request, tokens, sampler or Sampler(), ends, alternatives, namespace, self.tree.root(namespace))
        self._sequences[request.id] = made
        self._wait(request)

    def cancel(self, request: Request) -> None:
        """End a request now, wherever it is; its slots are free, and nothing more comes out of it. Twice is once."""
        if request.id in self._sequences:
            self._leave(self._sequences[request.id])

    def step(self) -> list[Token]:
        """One pass over what the scheduler chooses, and the tokens that come out of it."""
        step = self.scheduler(self._ready(), self.running, self, self._clock())
        out = [self._cut_short(request) for request in step.ended]
        for request in step.preempted:
            self._give_up(self._sequences[request.id])
        for request, slots in step.admitted:
            request.granted = slots
            self._begin(self._sequences[request.id])
        pieces = [self._piece(work) for work in step.work]
        if pieces:
            self.steps += 1
            out += self._through(pieces, step.work)
        return out

    def run(self, requests: Iterable[Request] = (), sampler: Sampler | None = None) -> Iterator[Token]:
        """Add the requests and step until all are done; tokens as they come out.

        They are a batch that is known ahead, which some schedulers look over before it begins.
        """
        batch = list(requests)
        if self.scheduler.order.plan:
            self.scheduler.order.plan(batch)
        for request in batch:
            self.add(request, sampler)
        while self.waiting or self.running:
            yield from self.step()

    def _ready(self) -> list[Request]:
        """The waiting that it would not be better to let wait: for a prompt under way that begins as they do.

        Those of a group are left to a scheduler that lets groups wait for their prefix itself.
        """
        ahead: dict[bytes, list[Sequence]] = defaultdict(list)
        for request in self.running:
            if not request.produced:
                sequence = self._sequences[request.id]
                ahead[sequence.known[:ALIKE].tobytes()].append(sequence)
        ready: list[Request] = []
        for request in self.waiting:
            sequence = self._sequences[request.id]
            known = sequence.known[:-1]
            alike = ahead[known[:ALIKE].tobytes()]
            coming = max((common(known, one.known) for one in alike if one.namespace == sequence.namespace), default=0)
            left = self.scheduler.order.awaits and request.group is not None
            if left or coming < ALIKE or coming < ALIKE + self.tree.held(known, sequence.namespace):
                alike.append(sequence)
                ready.append(request)
                if len(ready) == self.scheduler.seats:
                    break
        return ready

    # What a step does to a request

    def _wait(self, request: Request) -> None:
        insort(self.waiting, request, key=self.scheduler.order.rank)

    def _begin(self, sequence: Sequence) -> None:
        """Take it in, with what the tree holds of it."""
        request = sequence.request
        self.waiting.remove(request)
        self.running.append(request)
        node, held = self.tree.reload(sequence.known[:-1], sequence.namespace)
        self._hold(sequence, node)
        request.computed = held
        self.reused += held
        sequence.cached = held if sequence.cached is None else sequence.cached

    def _give_up(self, sequence: Sequence) -> None:
        """Back among the waiting; what it had computed stays in the tree for as long as nobody needs the room."""
        self._let_go(sequence)
        self.running.remove(sequence.request)
        self._wait(sequence.request)

    def _leave(self, sequence: Sequence) -> None:
        request = sequence.request
        self._let_go(sequence)
        (self.running if request in self.running else self.waiting).remove(request)
        del self._sequences[request.id]

    def _cut_short(self, request: Request) -> Token:
        self._leave(self._sequences[request.id])
        return Token(request, -1, math.nan, finish="length")

    def _hold(self, sequence: Sequence, node: Node) -> None:
        self.tree.pin(node)
        self.tree.release(sequence.node)
        sequence.node = node

    def _commit(self, sequence: Sequence) -> None:
        """Put the tail into the tree, where others find it."""
        behind = sequence.tokens[sequence.node.stop : sequence.request.computed]
        node = self.tree.insert(sequence.node, behind, sequence.tail, provenance=sequence.node.provenance)
        sequence.tail = []
        self._hold(sequence, node)

    def _let_go(self, sequence: Sequence) -> None:
        request = sequence.request
        # Slots of tokens that are part of the way through the layers, or that a pass left when it failed, hold nothing.
        sequence.tail, broken = cut(sequence.tail, request.computed - sequence.node.stop)
        self.arena.free(broken)
        sequence.between = None
        self._commit(sequence)
        if sequence.node.extents:
            self.arena.allocate(0, sequence.node.extents[-1].stop - 1)  # nothing stays set aside behind it
        self._hold(sequence, self.tree.root(sequence.namespace))
        request.computed = request.chunk = request.depth = request.granted = 0

    # A pass

    def _piece(self, work: Work) -> Piece:
        """The work's tokens, with slots for their keys and values."""
        request = work.request
        sequence = self._sequences[request.id]
        start = request.computed
        if request.chunk:
            return Piece(sequence, start, start + request.chunk, cut(sequence.tail, start - sequence.node.stop)[1])
        stop = start + min(work.tokens, request.left)
        self.tree.make_room(stop - start)
        last = (sequence.tail or sequence.node.extents or [Extent(0, 0)])[-1].stop
        new = self.arena.allocate(stop - start, last - 1 if last else None, len(sequence.tokens) - stop)
        sequence.tail = join([*sequence.tail, *new])
        if work.layers:
            request.chunk = stop - start
        return Piece(sequence, start, stop, new)

    def _through(self, pieces: list[Piece], work: Iterable[Work]) -> list[Token]:
        layers = [each.layers for each in work]
        whole = [piece for piece, span in zip(pieces, layers, strict=True) if span is None]
        partly = [piece for piece, span in zip(pieces, layers, strict=True) if span is not None]
        span = next((span for span in layers if span is not None), range(0))
        states = self._states(whole, partly, span)
        done = whole + (partly if span.stop == self.decoder.config.layers else [])
        asked, row = [], -1
        for piece in done:
            row += piece.stop - piece.start
            asked += [row] * (piece.stop == piece.sequence.request.tokens)
        for piece in partly:
            piece.sequence.request.depth = span.stop
        for piece in done:
            self._computed(piece)
        last = [piece.sequence for piece in done if piece.stop == piece.sequence.request.tokens]
        return self._draw(last, self.decoder.logits(states[asked])) if last else []

    def _states(self, whole: list[Piece], partly: list[Piece], span: range) -> Tensor:
        """The last hidden states of the whole pieces, then of those that have come through the last layer."""
        decoder, end = self.decoder, self.decoder.config.layers
        states, here = decoder.embed(self._tokens(whole)), self._attend(whole)
        if not partly:
            return decoder.run(states, here)
        earlier = [piece.sequence.between for piece in partly]
        begun = [each for each in earlier if each is not None]
        between = torch.cat(begun) if begun else decoder.embed(self._tokens(partly))
        if whole:
            states = decoder.run(states, here, range(span.start))
        together = decoder.run(torch.cat((states, between)), self._attend(whole + partly), span)
        states, between = together[: len(states)], together[len(states) :]
        if whole:
            states = decoder.run(states, here, range(span.stop, end))
        if span.stop == end:
            return torch.cat((states, between))
        for piece in partly:
            tokens = piece.stop - piece.start
            piece.sequence.between, between = between[:tokens], between[tokens:]
        return states

    def _tokens(self, pieces: list[Piece]) -> Tensor:
        parts = [piece.sequence.tokens[piece.start : piece.stop] for piece in pieces] or [np.empty(0, np.int32)]
        return torch.from_numpy(np.concatenate(parts).astype(np.int64)).to(self.decoder.device)

    def _attend(self, pieces: list[Piece]) -> Cached:
        """Every piece hears the nodes of its sequence, its tail, and itself, each token what is before it."""
        parts: list[Part] = []
        row = 0
        for sequence, start, stop, write in pieces:
            rows = slice(row, row + stop - start)
            held = [extent for node in self.tree.path(sequence.node) for extent in node.extents]
            tail = cut(sequence.tail, start - sequence.node.stop)[0]
            if stop - start == 1:
                parts += [Part(rows, slice(*extent)) for extent in (*held, *sequence.tail)]
            else:
                parts += [Part(rows, slice(*extent)) for extent in (*held, *tail)]
                parts += _triangle(rows, write)
            row = rows.stop
        device = self.decoder.device
        positions = np.concatenate([np.arange(piece.start, piece.stop) for piece in pieces] or [np.empty(0, np.int64)])
        lengths = np.repeat([piece.stop for piece in pieces], [piece.stop - piece.start for piece in pieces])
        runs = [slice(*extent) for piece in pieces for extent in piece.write]
        at = torch.from_numpy(positions).to(device)
        of = torch.from_numpy(lengths).to(device) if self.decoder.rope.by_length else None
        return Cached(self.arena, self.decoder.rope, at, runs, Plan(parts), of)

    def _computed(self, piece: Piece) -> None:
        sequence, request = piece.sequence, piece.sequence.request
        self.computed += piece.stop - piece.start
        request.computed, request.chunk, request.depth, sequence.between = piece.stop, 0, 0, None
        if not request.produced or piece.stop - piece.start > 1:
            self._commit(sequence)

    # What comes out

    def _draw(self, sequences: list[Sequence], logits: Tensor) -> list[Token]:
        """A token for each row of the logits [m, vocabulary]."""
        sums = torch.logsumexp(logits, -1)
        right = torch.isfinite(sums).tolist()
        rows = zip(sequences, logits, sums, right, strict=True)
        return [self._put_out(each, row, total) if sound else self._broken(each) for each, row, total, sound in rows]

    def _put_out(self, sequence: Sequence, logits: Tensor, total: Tensor) -> Token:
        request, sampler = sequence.request, sequence.sampler
        token = sampler.draw(sampler.law(logits, sequence.counts), request.tokens)
        top = torch.topk(logits, sequence.alternatives) if sequence.alternatives else None
        best = tuple(zip(top.indices.tolist(), (top.values - total).tolist(), strict=True)) if top else ()
        finish: Finish | None = "stop" if token in sequence.ends else None
        sequence.tokens[request.tokens] = token
        sequence.counts[token] += 1
        request.produced += 1
        if finish is None and request.produced == request.max_tokens:
            finish = "length"
        if finish:
            self._leave(sequence)
        return Token(request, token, float(logits[token] - total), best, finish, sequence.cached or 0)

    def _broken(self, sequence: Sequence) -> Token:
        self._leave(sequence)
        return Token(sequence.request, -1, math.nan, finish="error")


def _triangle(rows: slice, write: list[Extent]) -> Iterator[Part]:
    """What new tokens hear of each other, where their slots lie in one or more runs."""
    at = rows.start
    for extent in write:
        stop = at + extent.stop - extent.start
        yield Part(slice(at, stop), slice(*extent), causal=True)
        if stop < rows.stop:
            yield Part(slice(stop, rows.stop), slice(*extent))
        at = stop
