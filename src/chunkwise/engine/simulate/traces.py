"""Requests to simulate: out of the public traces, or drawn."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from chunkwise.engine.schedule import Request
from chunkwise.errors import UserError

SPREAD = 0.3  # of the logarithm of predicted over true lengths, about what small classifiers reach


@dataclass(slots=True, eq=False)
class Job(Request):
    """A request of which is known how many tokens it will produce, which schedulers must not look at.

    output_tokens: that; encode: seconds of work before its prompt can be prefilled (images).
    The rest is what became of it. first, last: seconds when its first and latest token came, worst: its longest wait
    between two; hit: prompt tokens that were cached when it was first taken in; ended: whether it is done.
    """

    output_tokens: int = 1
    encode: float = 0.0
    first: float = -1.0
    last: float = -1.0
    worst: float = 0.0
    hit: int = -1
    ended: bool = False

    def fresh(self) -> Job:
        """The same before anything happened to it."""
        return replace(self)


def read(path: Path, limit: int | None = None, seed: int = 0, speed: float = 1.0) -> list[Job]:
    """The requests of a trace of Azure, Mooncake or ServeGen, by arrival.

    path: JSON lines, may be gzipped (`.gz`). A row with `t`, `input_tokens` and `output_tokens` is a request, whose
    `blocks` are hashes of its first blocks of 512 tokens; a row with `windows` and `lengths` is a client whose requests
    are drawn. limit: most requests; seed: for what is drawn, which includes the predicted lengths (true ones, off by a
    log-normal factor of 0.3); speed: how many times quicker they come. `max_tokens` is the longest output of all.
    Raises UserError for a file that is none of these.
    """
    if speed <= 0:
        raise UserError(f"speed {speed} must be above 0")
    rows = list(_rows(path, limit))
    if not rows:
        raise UserError(f"{path}: no requests in it")
    random = np.random.default_rng(seed)
    if "windows" in rows[0]:
        found = sorted(_drawn(rows, random, limit))[:limit]
    else:
        found = [(float(row["t"]), int(row["input_tokens"]), int(row["output_tokens"])) for row in rows]
    blocks = [tuple(row.get("blocks", ())) if "windows" not in rows[0] else () for row in rows]
    jobs = made(np.array(found, dtype=np.float64), random, speed)
    if "windows" not in rows[0]:
        for job, own in zip(jobs, blocks, strict=True):
            job.blocks = own[: job.prompt_tokens // job.block]
    return sorted(jobs, key=lambda job: job.arrival)


def _rows(path: Path, limit: int | None) -> Iterator[dict[str, Any]]:
    try:
        with (gzip.open if path.suffix == ".gz" else open)(path, "rt", encoding="utf-8") as lines:
            for number, line in enumerate(lines):
                if not line.strip():
                    continue
                row = json.loads(line)
                request = isinstance(row, dict) and {"t", "input_tokens", "output_tokens"} <= row.keys()
                if not request and not (isinstance(row, dict) and {"windows", "lengths"} <= row.keys()):
                    raise UserError(
                        f"{path}, line {number + 1}: neither a request (t, input_tokens, output_tokens) nor a client "
                        "(windows, lengths)"
                    )
                yield row
                if request and limit is not None and number + 1 >= limit:
                    return
    except FileNotFoundError:
        raise UserError(f"no trace at {path}; give a file of JSON lines, or --rate R to draw requests") from None
    except (ValueError, EOFError, gzip.BadGzipFile) as error:
        raise UserError(f"{path}: not JSON lines: {error}") from None


def _drawn(
    clients: Sequence[dict[str, Any]], random: np.random.Generator, limit: int | None
) -> Iterator[tuple[float, int, int]]:
    """Arrivals of each client, window by window: gaps of its own family, lengths of its own counts."""
    starts = sorted({int(window["t"]) for client in clients for window in client["windows"]})
    begin, asked = (starts[0] if starts else 0), 0
    for start in starts:
        for client in clients:
            for window in (one for one in client["windows"] if int(one["t"]) == start and one["rate"] > 0):
                at = start + np.cumsum(_gaps(window, random))
                at = at[at < start + 600]
                lengths = client["lengths"] or {}
                known = lengths.get(str(start)) or next(iter(lengths.values()), None)
                if known is None or not len(at):
                    continue
                given = _lengths(known["input_tokens"], len(at), random)
                out = _lengths(known["output_tokens"], len(at), random)
                yield from zip((at - begin).tolist(), given, out, strict=True)
                asked += len(at)
        if limit is not None and asked >= limit:
            return


def _gaps(window: dict[str, Any], random: np.random.Generator) -> np.ndarray:
    """Times between arrivals; the scale of the family says no more than the rate does."""
    most = int(window["rate"] * 600 * 1.5) + 20
    shape = float(window["p1"] or 0)
    if window["family"] == "Gamma" and shape > 0:
        gaps = random.gamma(shape, 1.0, most) / shape
    elif window["family"] == "Weibull" and shape > 0:
        gaps = random.weibull(shape, most)
        gaps /= gaps.mean()
    else:
        gaps = random.exponential(1.0, most)
    return np.asarray(gaps / window["rate"])


def _lengths(counts: dict[str, float], n: int, random: np.random.Generator) -> list[int]:
    chances = np.array(list(counts.values()), dtype=np.float64)
    values = np.array([max(1, round(float(key))) for key in counts])
    drawn: list[int] = random.choice(values, n, p=chances / chances.sum()).tolist()
    return drawn


def generate(
    rate: float, count: int = 1000, *, prompt: int = 1024, output: int = 256, seed: int = 0, spread: float = 0.8
) -> list[Job]:
    """`count` requests that arrive at random, `rate` a second (0: all at once).

    prompt, output: mean tokens, log-normal; spread: of their logarithms. The same for a seed. Raises UserError for
    what cannot be drawn.
    """
    if rate < 0 or count < 0 or prompt < 1 or output < 1 or spread < 0 or not np.isfinite([rate, spread]).all():
        raise UserError(
            f"cannot draw {count} requests at {rate}/s of {prompt} + {output} tokens: give positive numbers"
        )
    random = np.random.default_rng(seed)
    arrivals = np.cumsum(random.exponential(1.0 / rate, count)) if rate else np.zeros(count)
    lengths = [
        np.maximum(1, np.rint(mean * np.exp(spread * random.standard_normal(count) - spread**2 / 2)))
        for mean in (prompt, output)
    ]
    return made(np.column_stack([arrivals, *lengths]), random)


def made(rows: np.ndarray, random: np.random.Generator, speed: float = 1.0) -> list[Job]:
    """Jobs of rows [n, 3] of arrival, prompt and output tokens, with lengths predicted as well as can be hoped for."""
    if not len(rows):
        return []
    longest = int(max(1, rows[:, 2].max()))
    guesses = np.rint(rows[:, 2] * np.exp(SPREAD * random.standard_normal(len(rows)))).clip(1, longest)
    return [
        Job(
            number,
            max(1, int(prompt)),
            longest,
            float(at) / speed,
            predicted=int(guess),
            output_tokens=max(1, int(out)),
        )
        for number, ((at, prompt, out), guess) in enumerate(zip(rows.tolist(), guesses.tolist(), strict=True))
    ]
