"""What a call costs: time, processor time, memory, and the tokens that a reader is given."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from chunkwise.tokens import Tokenizer

T = TypeVar("T")


class Cost(NamedTuple):
    """seconds: on the clock; cpu_seconds: of all threads of this process; peak_bytes: memory.

    peak_bytes is the most memory that was resident during the call less what was resident before it, or None where the
    system does not tell.
    """

    seconds: float
    cpu_seconds: float
    peak_bytes: int | None


def measured(call: Callable[[], T]) -> tuple[T, Cost]:
    """What `call` gives, and what it cost in this process.

    Memory is what the system says (Linux: the high-water mark of the resident set, set back before the call), since a
    tracer of Python's allocations misses what libraries in C take, and slows the call down. Memory that an earlier call
    gave back to the allocator, but the allocator not to the system, is used again unseen: `measured_apart` has none.
    """
    gc.collect()
    before = _reset_peak()
    started, worked = time.perf_counter(), time.process_time()
    result = call()
    cost = Cost(time.perf_counter() - started, time.process_time() - worked, None)
    peak = _resident("VmHWM")
    return result, cost if before is None or peak is None else cost._replace(peak_bytes=max(0, peak - before))


def measured_apart(function: Callable[..., T], *arguments: Any) -> tuple[T, Cost]:
    """`measured` in a new process, which neither what ran before nor what is loaded here can flatter.

    The function and its arguments must be picklable, the function importable. Imports that it makes are part of the
    cost. What it raises is raised here.
    """
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as apart:
        return apart.submit(_measured_with, function, arguments).result()


def reader_tokens(passages: Iterable[str], tokenizer: Tokenizer) -> int:
    """Tokens of the passages' own text: what a reader is given, counted alike for every system."""
    return sum(map(tokenizer.count, passages))


def _measured_with(function: Callable[..., T], arguments: tuple[Any, ...]) -> tuple[T, Cost]:
    return measured(lambda: function(*arguments))


def _reset_peak() -> int | None:
    """Bytes resident now, the high-water mark set to it; None where it cannot be set."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return None
    return _resident("VmRSS")


def _resident(field: str) -> int | None:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(field):
            return int(line.split()[1]) * 1024
    return None
