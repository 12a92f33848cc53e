"""A million chunks: time and memory to load them, to open them anew and to ask, beside LanceDB's bulk load.

    python -m benchmarks.million [--chunks 1000000] [--only chunkwise|lancedb]

Generated text: words as rare as words are, 8 to 30 a chunk, 100 chunks a document; vectors are random, of unit length
and 256 dimensions, and given, not made. Both sides get the same texts and float32 vectors in batches of 10,000, keep
them on disk, and have a full-text index at the end (English stems, no stop words); neither has an index of vectors
that must be trained. Loading, and opening and asking, are processes of their own, and a figure of memory is the peak
of one whole process; the time that generating takes is left out. Ours hashes, counts words and stores; it keeps float16
vectors, LanceDB float32 ones.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from .machine import RESULTS, as_markdown, peak_mb, setting

DIMENSIONS = 256
BATCH, DOCUMENT = 10_000, 100
VOCABULARY = 100_000
K = 10
QUESTIONS = 40

Seen = dict[str, Any]


def batches(chunks: int) -> Iterator[tuple[list[str], np.ndarray[Any, np.dtype[np.float32]]]]:
    """Texts and unit vectors, the same each time; float32 [BATCH, DIMENSIONS]."""
    vocabulary = _vocabulary()
    for number in range(-(-chunks // BATCH)):
        random = np.random.default_rng(number)
        n = min(BATCH, chunks - number * BATCH)
        sizes = random.integers(8, 31, n)
        # Uniform in the logarithm of the rank: Zipf's law, cut off at the vocabulary's end.
        ranks = (VOCABULARY ** random.random(sizes.sum())).astype(np.int64) - 1
        spoken, ends = vocabulary[ranks].tolist(), np.cumsum(sizes).tolist()
        texts = [" ".join(spoken[end - size : end]) + ". " for size, end in zip(sizes.tolist(), ends, strict=True)]
        vectors = random.standard_normal((n, DIMENSIONS), dtype=np.float32)
        yield texts, vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _vocabulary() -> Any:
    """Pronounceable words, all different."""
    syllables = [consonant + vowel for consonant in "bdfgklmnprstvz" for vowel in "aeiou"]
    numbers = np.random.default_rng(7).permutation(len(syllables) ** 3)[:VOCABULARY]
    base = len(syllables)
    return np.array([syllables[n // base**2] + syllables[n // base % base] + syllables[n % base] for n in numbers])


def questions() -> list[tuple[str, Any]]:
    """Five words of a chunk of the first batch, and its vector with as much noise again."""
    texts, vectors = next(batches(BATCH))
    random = np.random.default_rng(1)
    asked = []
    for at in random.choice(BATCH, QUESTIONS, replace=False).tolist():
        words = random.permutation(sorted(set(texts[at].rstrip(". ").split())))[:5]
        near = vectors[at] + random.standard_normal(DIMENSIONS, dtype=np.float32) / DIMENSIONS**0.5
        asked.append((" ".join(words.tolist()), (near / np.linalg.norm(near)).astype(np.float32)))
    return asked


class Given:
    """An embedder that looks its vectors up."""

    name, dim = f"given-{DIMENSIONS}", DIMENSIONS

    def __init__(self, known: dict[str, Any]) -> None:
        self._known = known

    def __call__(self, texts: Any) -> Any:
        """The vectors of known texts; float32 [n, DIMENSIONS]."""
        return np.stack([self._known[text] for text in texts])


def load_chunkwise(folder: Path, chunks: int) -> Seen:
    """Documents into an empty store, then the arrays that are searched."""
    from chunkwise.store import SQLiteStore

    from . import books

    seen: Seen = {"cpu": 0.0}
    store = SQLiteStore(folder / "kb", {"space": Given.name})
    with store.writing():
        for number, (texts, vectors) in enumerate(batches(chunks)):
            with _spent(seen, "prepare_s"):
                entries = [
                    books.entry(f"/{number:04}/{at:06}", texts[at : at + DOCUMENT], vectors[at : at + DOCUMENT])
                    for at in range(0, len(texts), DOCUMENT)
                ]
            with _spent(seen, "put_s"):
                store.put(entries)
        seen["loading_mb"] = peak_mb()
        with _spent(seen, "derive_s"):
            assert len(store.snapshot()) == chunks
    store.close()
    return {"seconds": sum(seen[step] for step in ("prepare_s", "put_s", "derive_s")), **seen}


@contextlib.contextmanager
def _spent(seen: Seen, step: str) -> Iterator[None]:
    """Add the seconds that pass to a step, and what the process works in them to `cpu`."""
    started, working = time.perf_counter(), time.process_time()
    yield
    seen[step] = seen.get(step, 0.0) + time.perf_counter() - started
    seen["cpu"] += time.process_time() - working


def ask_chunkwise(folder: Path, chunks: int) -> Seen:
    """The store opened anew; each retriever asked."""
    from chunkwise.recipe import build
    from chunkwise.retrieve import Corpus
    from chunkwise.store import SQLiteStore

    asked = questions()
    started = time.perf_counter()
    corpus = Corpus(SQLiteStore(folder / "kb"), Given(dict(asked)), None)
    assert len(corpus) == chunks
    seen: Seen = {"open_s": time.perf_counter() - started}
    for spec in ("bm25", "bmp", "dense", "rrf", "multiscale"):
        retrieve = build(spec, "retrieve")
        seen[spec] = _milliseconds(lambda query, _: retrieve(corpus, query, K), asked)  # noqa: B023
        seen[spec]["mb"] = peak_mb()
    return seen


def load_lancedb(folder: Path, chunks: int) -> Seen:
    """One bulk load from a stream of batches, then the full-text index."""
    import lancedb
    import pyarrow as pa

    generating, generating_cpu = 0.0, 0.0
    schema = pa.schema([("id", pa.int32()), ("text", pa.string()), ("vector", pa.list_(pa.float32(), DIMENSIONS))])

    def rows() -> Iterator[Any]:
        nonlocal generating, generating_cpu
        source, at = batches(chunks), 0
        while True:
            started, working = time.perf_counter(), time.process_time()
            texts, vectors = next(source, (None, None))
            generating += time.perf_counter() - started
            generating_cpu += time.process_time() - working
            if texts is None or vectors is None:
                return
            ids = pa.array(range(at, at := at + len(texts)), pa.int32())
            flat = pa.FixedSizeListArray.from_arrays(pa.array(vectors.ravel()), DIMENSIONS)
            yield pa.RecordBatch.from_arrays([ids, pa.array(texts), flat], schema=schema)

    started, working = time.perf_counter(), time.process_time()
    table = lancedb.connect(folder / "lance").create_table("chunks", rows(), schema=schema)
    added = time.perf_counter()
    table.create_fts_index("text", stem=True, remove_stop_words=True)
    done = time.perf_counter()
    assert table.count_rows() == chunks
    cpu = time.process_time() - working - generating_cpu
    seconds = done - started - generating
    return {"seconds": seconds, "cpu": cpu, "add_s": added - started - generating, "full_text_s": done - added}


def ask_lancedb(folder: Path, chunks: int) -> Seen:
    """The table opened anew; its full-text and its exhaustive vector search."""
    import lancedb

    started = time.perf_counter()
    table = lancedb.connect(folder / "lance").open_table("chunks")
    assert table.count_rows() == chunks
    seen: Seen = {"open_s": time.perf_counter() - started}
    ways: dict[str, Callable[[str, Any], Any]] = {
        "full text": lambda query, _: (
            table.search(query, query_type="fts").limit(K).select(["id", "_score"]).to_arrow()
        ),
        "vectors, no index": lambda _, vector: table.search(vector).limit(K).select(["id", "_distance"]).to_arrow(),
    }
    for name, ask in ways.items():
        seen[name] = {**_milliseconds(ask, questions()), "mb": peak_mb()}
    return seen


WORKERS = {
    "chunkwise": (load_chunkwise, ask_chunkwise),
    "lancedb": (load_lancedb, ask_lancedb),
}


def main() -> None:
    """Load and ask with each, every step in a process of its own; write million.{json,md}."""
    options = _options()
    if options.worker:
        name, step = options.worker
        seen = WORKERS[name][int(step)](options.folder, options.chunks)
        print(json.dumps({**seen, "peak_mb": peak_mb()}))
        return
    found: dict[str, dict[str, Seen]] = {}
    for name in [options.only] if options.only else WORKERS:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            found[name] = {"load": _run(name, 0, folder, options.chunks)}
            found[name]["load"]["disk_mb"] = sum(f.stat().st_size for f in Path(folder).rglob("*") if f.is_file()) / 1e6
            found[name]["ask"] = _run(name, 1, folder, options.chunks)
    print(json.dumps(found, indent=1))
    if options.only:
        return
    where = setting("chunkwise", "numpy", "numba", "lancedb", "pyarrow")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "million.json").write_text(
        json.dumps({"setting": where, "chunks": options.chunks, **found}, indent=1) + "\n"
    )
    (RESULTS / "million.md").write_text(_markdown(options.chunks, found) + "\n" + as_markdown(where) + "\n")
    print(_markdown(options.chunks, found))


def _run(name: str, step: int, folder: str, chunks: int) -> Seen:
    command = [sys.executable, "-m", "benchmarks.million", "--worker", name, str(step), "--folder", folder]
    print(f"{name}, {('loading', 'asking')[step]} ...", file=sys.stderr, flush=True)
    done = subprocess.run([*command, "--chunks", str(chunks)], stdout=subprocess.PIPE, text=True, check=True)
    seen: Seen = json.loads(done.stdout.splitlines()[-1])
    return seen


def _milliseconds(ask: Callable[[str, Any], Any], asked: list[tuple[str, Any]]) -> Seen:
    """At the median and at 95 %, and of all cores at the median, after the first call, which is told apart."""
    times, working = [], []
    for query, vector in asked:
        started, before = time.perf_counter(), time.process_time()
        ask(query, vector)
        times.append(1000 * (time.perf_counter() - started))
        working.append(1000 * (time.process_time() - before))
    quantiles = {"p50": float(np.median(times[1:])), "p95": float(np.quantile(times[1:], 0.95))}
    return {"first": times[0], **quantiles, "cpu": float(np.median(working[1:]))}


def _markdown(chunks: int, found: dict[str, dict[str, Seen]]) -> str:
    ours, theirs = found["chunkwise"]["load"], found["lancedb"]["load"]
    parts = [
        f"# {chunks:,} chunks of generated text, {DIMENSIONS} dimensions\n",
        "## Loading\n",
        "| system | seconds | times LanceDB | of which | CPU seconds | times LanceDB | peak MB | MB on disk |",
        "| --- | ---: | ---: | --- | ---: | ---: | ---: | ---: |",
    ]
    steps = {
        "chunkwise": (("prepare_s", "hashes and words"), ("put_s", "store"), ("derive_s", "postings and matrix")),
        "lancedb": (("add_s", "table"), ("full_text_s", "full-text index")),
    }
    for name, seen in (("chunkwise", ours), ("lancedb", theirs)):
        spent = ", ".join(f"{what} {seen[key]:.1f}" for key, what in steps[name])
        cells = [name, f"{seen['seconds']:.1f}", f"{seen['seconds'] / theirs['seconds']:.2f}", spent]
        cells += [f"{seen['cpu']:.1f}", f"{seen['cpu'] / theirs['cpu']:.2f}"]
        parts.append(f"| {' | '.join(cells)} | {seen['peak_mb']:.0f} | {seen['disk_mb']:.0f} |")
    parts += [
        "\n## Asking, the ten best\n",
        "| what is asked | p50 ms | p95 ms | CPU p50 ms | first call ms | peak MB so far |",
    ]
    parts += ["| --- | ---: | ---: | ---: | ---: | ---: |"]
    for name in found:
        for way, seen in found[name]["ask"].items():
            if isinstance(seen, dict):
                cells = [
                    f"{name} {way}",
                    *(f"{seen[key]:.1f}" for key in ("p50", "p95", "cpu", "first")),
                    f"{seen['mb']:.0f}",
                ]
                parts.append(f"| {' | '.join(cells)} |")
    opened = {name: found[name]["ask"]["open_s"] for name in found}
    parts.append(f"\nOpening: {', '.join(f'{name} {seconds:.2f} s' for name, seconds in opened.items())}.\n")
    return "\n".join(parts)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.million", description=__doc__)
    parser.add_argument("--chunks", type=int, default=1_000_000)
    parser.add_argument("--only", choices=WORKERS, help="one side alone, nothing written")
    parser.add_argument("--folder", type=Path, help="where there is room for it; the system's temporary folder if not")
    parser.add_argument("--worker", nargs=2, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
