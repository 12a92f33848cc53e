"""Text out for tokens in: choices of prompts, over an engine that a thread of its own runs."""

from __future__ import annotations

import secrets
import time
import warnings
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Lock, Thread
from typing import Literal, NamedTuple, TypeAlias

import numpy as np
import torch

from chunkwise.engine.decoder import Decoder
from chunkwise.engine.fingerprint import sha256
from chunkwise.engine.kv.arena import Arena
from chunkwise.engine.kv.spill import Spill
from chunkwise.engine.linear import Quantise
from chunkwise.engine.loop import Engine, Token
from chunkwise.engine.sample import Sampler, Transform, chain
from chunkwise.engine.schedule import Request
from chunkwise.engine.stops import Until
from chunkwise.engine.text import Stream, Tokenizer
from chunkwise.errors import ChunkwiseError, FallbackWarning, UserError
from chunkwise.recipe import build

MEMORY = 2 * 10**9  # bytes of keys and values
SPILLED = 10 * 10**9  # bytes of files


class Busy(ChunkwiseError):
    """More is under way than may wait; a little later there is room again."""


class Stopped(ChunkwiseError):
    """The engine is being shut down, and ends what is under way."""


@dataclass(frozen=True, slots=True)
class Ask:
    """A prompt, int32 ids, and what is wanted of it.

    max_tokens: None for as many as the window and the memory hold; n: choices; stop: strings that end a choice, not
    told; transform: the sampler's chain; seed: of the first choice, the next one's is one more, None for any; presence,
    frequency, bias: as a `Sampler` has them; alternatives: how many of the most probable tokens are told beside each
    token, None where tokens are not told at all.
    """

    prompt: Sequence[int]
    max_tokens: int | None = None
    n: int = 1
    stop: tuple[str, ...] = ()
    transform: Transform = field(default_factory=chain)
    seed: int | None = None
    presence: float = 0.0
    frequency: float = 0.0
    bias: Mapping[int, float] = field(default_factory=dict)
    alternatives: int | None = None


class Written(NamedTuple):
    """A token of a choice, and the character of its text where it begins."""

    token: Token
    start: int


class Said(NamedTuple):
    """More of a choice: text, whole characters only, and the tokens it is made of where they were asked for.

    finish: why nothing more comes of the choice, "stop" or "length".
    """

    choice: int
    text: str
    tokens: tuple[Written, ...] = ()
    finish: Literal["stop", "length"] | None = None


class Done(NamedTuple):
    """All choices have ended. prompt: its tokens; cached: those of them that were not computed anew; completion: of all
    choices."""

    prompt: int
    cached: int
    completion: int


class Failed(NamedTuple):
    """Nothing more comes: a UserError for what cannot be asked, Stopped, or what went wrong."""

    error: ChunkwiseError


Event: TypeAlias = Said | Done | Failed
Tell: TypeAlias = Callable[[Event], object]


class Load(NamedTuple):
    """How much is under way: choices that run and that wait; slots held by them, kept for others, and in all."""

    running: int
    waiting: int
    held: int
    kept: int
    total: int


class Job:
    """What was asked, and who is told. Made by `Completer.submit`."""

    def __init__(self, ask: Ask, tell: Tell) -> None:
        self.ask, self.tell = ask, tell
        self.open: dict[int | str, _Choice] = {}
        self.cached = self.completion = 0
        self.over = False


class _Choice:
    """A request of the engine, and what of its text is told."""

    def __init__(self, job: Job, number: int, request: Request, text: Stream) -> None:
        self.job, self.number, self.request = job, number, request
        self._text, self._until = text, Until(job.ask.stop)
        self._read = self._told = 0  # characters
        self._tokens: list[Written] = []  # not told yet
        self.last = request.arrival

    def put(self, token: Token) -> Said | None:
        """What can be told now that a token came; None while that is nothing."""
        ended = token.finish == "stop"  # by a token that is not told itself
        if not ended and token.token >= 0:
            if self.job.ask.alternatives is not None:
                self._tokens.append(Written(token, self._read))
            text = self._until.put(self._read_as(self._text.put(token.token)))
        else:
            text = ""
        if token.finish and not self._until.met:
            text += self._until.put(self._read_as(self._text.end())) + self._until.end()
        self._told += len(text)
        if self._until.met:
            return Said(self.number, text, self._out(self._told), "stop")
        if token.finish:
            return Said(self.number, text, self._out(self._read + 1), "stop" if ended else "length")
        tokens = self._out(self._told)
        return Said(self.number, text, tokens) if text or tokens else None

    def _read_as(self, text: str) -> str:
        self._read += len(text)
        return text

    def _out(self, before: int) -> tuple[Written, ...]:
        """The tokens whose text begins before there."""
        told = [written for written in self._tokens if written.start < before]
        del self._tokens[: len(told)]
        return tuple(told)


class Completer:
    """Completes prompts, many at once, on a thread that owns the engine. Anyone may call it, from any thread.

    most: choices that may be under way, running or waiting; on_token: told of each token whether it is a choice's first
    one, and the seconds since the choice was asked for or since its last token. Close it, or use it as a context.

    Choices of one prompt begin when the first one has computed it, as the engine has all that begin alike wait. When a
    pass fails, what was running ends with that error, and what waits goes on.
    """

    def __init__(
        self,
        engine: Engine,
        tokenizer: Tokenizer,
        name: str = "model",
        most: int = 1024,
        on_token: Callable[[bool, float], object] = lambda first, seconds: None,
    ) -> None:
        self.tokenizer, self.name, self.most, self.on_token = tokenizer, name, most, on_token
        self._engine = engine
        self._inbox: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._choices: dict[int | str, _Choice] = {}
        self._jobs: set[Job] = set()
        self._numbers = count()
        self._under_way = 0
        self._lock = Lock()
        self._stopping = self._stopped = False
        self._thread = Thread(target=self._work, name="engine", daemon=True)
        self._thread.start()

    @classmethod
    def load(
        cls,
        folder: str | Path,
        *,
        memory: int = MEMORY,
        scheduler: str = "sarathi-serve",
        quantise: Quantise = None,
        spill: Path | None = None,
        device: str | None = None,
    ) -> Completer:
        """Over the model of a Hugging Face folder, which it is named after.

        memory: bytes for keys and values; spill: a folder for those that have to leave it; device: a GPU if there is
        one. Raises ModelError for a folder that cannot be used, UserError for a memory that is too small.
        """
        folder = Path(folder)
        made = build(scheduler, "serve-schedule")
        tokenizer = Tokenizer.load(folder)
        on = device or ("cuda" if torch.cuda.is_available() else "cpu")
        decoder = Decoder.load(folder, on, quantise=quantise)
        slots = memory // slot_bytes(decoder)
        if slots < 2:
            raise UserError(f"a token takes {slot_bytes(decoder):,} bytes, so {memory:,} hold none; give more memory")

        def spilled(arena: Arena) -> Spill:
            assert spill is not None
            weights = [sha256(file) for file in sorted(folder.glob("*.safetensors"))]
            return Spill(spill, arena, " ".join([*weights, sha256(folder / "config.json"), str(quantise)]), SPILLED)

        engine = Engine(decoder, slots, made, spilled=spilled if spill else None)
        return cls(engine, tokenizer, folder.resolve().name)

    def __enter__(self) -> Completer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def window(self) -> int:
        """The most tokens of a prompt and its answer."""
        return min(self._engine.decoder.config.positions, self._engine.total)

    @property
    def vocabulary(self) -> int:
        """How many tokens there are."""
        return self._engine.decoder.config.vocabulary

    @property
    def alive(self) -> bool:
        """Whether it takes what is asked."""
        return self._thread.is_alive() and not self._stopping

    @property
    def under_way(self) -> Load:
        """How much is under way, to be shown."""
        engine = self._engine
        held = max(0, engine.total - engine.free)
        return Load(len(engine.running), len(engine.waiting), held, engine.tree.evictable, engine.total)

    def submit(self, ask: Ask, tell: Tell) -> Job:
        """Have it completed; `tell` hears of it on the engine's thread, lastly a Done or a Failed, and must not wait.

        Raises Busy when more is under way than may be, Stopped after `close`. All else that is wrong is told.
        """
        job = Job(ask, tell)
        with self._lock:
            if self._stopping:
                raise Stopped("the engine is shut down; start it again")
            if self._under_way + ask.n > self.most:
                raise Busy(f"{self._under_way:,} choices are under way, {self.most:,} may be; ask again a little later")
            self._under_way += ask.n
            self._inbox.put(partial(self._begin, job))
        return job

    def cancel(self, job: Job) -> None:
        """End it after the pass under way; its slots are free then, and nothing more is told."""
        self._inbox.put(partial(self._over, job))

    def events(self, ask: Ask) -> Generator[Event, None, None]:
        """Have it completed, and hear of it here. To close the iterator is to cancel."""
        heard: SimpleQueue[Event] = SimpleQueue()
        job = self.submit(ask, heard.put)
        try:
            while True:
                event = heard.get()
                yield event
                if not isinstance(event, Said):
                    return
        finally:
            self.cancel(job)

    def close(self) -> None:
        """End what is under way, which is told that it is Stopped, and the thread."""
        with self._lock:
            self._stopping = True
            self._inbox.put(self._stop)
        self._thread.join()

    # On the engine's thread

    def _work(self) -> None:
        with torch.inference_mode():
            while not self._stopped:
                self._listen()
                self._step()

    def _listen(self) -> None:
        """Do what others ask; wait for it where there is nothing else to do."""
        wait = not (self._engine.waiting or self._engine.running)
        with suppress(Empty):
            while not self._stopped:
                self._inbox.get(block=wait)()
                wait = False

    def _step(self) -> None:
        try:
            tokens = self._engine.step()
        except Exception as error:
            running = {self._choices[request.id].job for request in self._engine.running}
            what = " ".join(f"{type(error).__name__}: {error}".split())
            warnings.warn(f"a pass failed, and {len(running)} requests with it: {what}", FallbackWarning, stacklevel=2)
            failure = error if isinstance(error, ChunkwiseError) else ChunkwiseError(f"the engine failed: {what}")
            for job in running:
                self._end(job, Failed(failure))
            return
        for token in tokens:
            if choice := self._choices.get(token.request.id):
                self._put(choice, token)

    def _begin(self, job: Job) -> None:
        ask, engine = job.ask, self._engine
        self._jobs.add(job)
        prompt = np.array(ask.prompt, np.int32)
        most = engine.decoder.config.positions if ask.max_tokens is None else ask.max_tokens
        first = secrets.randbits(62) if ask.seed is None else ask.seed
        try:
            for number in range(ask.n):
                request = Request(next(self._numbers), len(prompt), most, time.monotonic(), prompt=prompt)
                sampler = Sampler(ask.transform, first + number, ask.presence, ask.frequency, ask.bias)
                alternatives = min(ask.alternatives or 0, self.vocabulary)
                engine.add(request, sampler, ends=self.tokenizer.eos, alternatives=alternatives)
                choice = _Choice(job, number, request, Stream(self.tokenizer))
                job.open[request.id] = self._choices[request.id] = choice
        except ChunkwiseError as error:
            self._end(job, Failed(error))

    def _put(self, choice: _Choice, token: Token) -> None:
        job, request = choice.job, choice.request
        if token.finish == "error":
            self._end(job, Failed(ChunkwiseError("the model gave no numbers (NaN); check its weights and dtype")))
            return
        now = time.monotonic()
        self.on_token(request.produced == 1, now - choice.last)
        choice.last = now
        job.cached = max(job.cached, token.cached if choice.number == 0 else 0)
        said = choice.put(token)
        if said and said.finish:
            self._leave(choice)
        if said:
            self._tell(job, said)
        if not job.open and not job.over:
            self._end(job, Done(len(job.ask.prompt), job.cached, job.completion))

    def _leave(self, choice: _Choice) -> None:
        """The choice is through."""
        self._engine.cancel(choice.request)
        choice.job.completion += choice.request.produced
        del self._choices[choice.request.id], choice.job.open[choice.request.id]

    def _end(self, job: Job, event: Event) -> None:
        if not job.over:
            self._over(job)
            self._tell(job, event)

    def _over(self, job: Job) -> None:
        """All of the job ends here."""
        if not job.over:
            job.over = True
            for choice in list(job.open.values()):
                self._leave(choice)
            self._jobs.discard(job)
            with self._lock:
                self._under_way -= job.ask.n

    def _tell(self, job: Job, event: Event) -> None:
        try:
            job.tell(event)
        except Exception:  # nobody is there any more to be told
            self._over(job)

    def _stop(self) -> None:
        self._stopped = True
        for job in list(self._jobs):
            self._end(job, Failed(Stopped("the engine is shut down before the end; ask again when it is back")))


def slot_bytes(decoder: Decoder) -> int:
    """Bytes that the keys and values of a token take."""
    config = decoder.config
    return 2 * config.layers * config.kv_heads * config.head_dim * decoder.dtype.itemsize
