"""Block-max pruning: how many chunks it scores, and how long it takes beside exhaustive scoring and other engines.

    python -m benchmarks.blockmax --data DIR [--chunks 100000] [--questions 600]

Passages of about 700 characters of public-domain books; questions that people typed into a search engine, and five
words of one passage. In one process each query is put to each engine once, a hundred at a time, after as many others
that are not timed; every engine gets the text and returns the ten best. All stem English and leave stop words out,
each in its own way. CPU is the time that all cores worked on a query: what others do on the machine shows less in it.
`bmp` must rank as exhaustive scoring does, on every query.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from . import books
from .machine import RESULTS, as_markdown, setting

K = 10
AT_A_TIME = 100  # queries to one engine before the next has its turn
SIZES = (8, 16, 32, 64)
SEED = 0

Ask = Callable[[str], Any]


def main() -> None:
    """Index, ask, and write blockmax.{json,md}."""
    options = _options()
    taken = list(books.passages(options.data, options.chunks))
    texts = [text for book in taken for text in book]
    asked = {
        "questions": books.questions(options.data),
        "five words of a passage": _words_of(texts, 2 * options.questions),
    }
    with tempfile.TemporaryDirectory() as folder:
        corpus, ours = _chunkwise(Path(folder) / "kb", taken)
        engines = {
            **ours,
            **_bm25s(texts),
            "LanceDB full-text": _lancedb(Path(folder) / "lance", texts),
            "tantivy": _tantivy(texts),
        }
        seen = {
            kind: {
                "queries": options.questions,
                "ms": _timed(engines, queries[: 2 * options.questions]),
                "scored": _scored(corpus, queries[options.questions : 2 * options.questions]),
            }
            for kind, queries in asked.items()
        }
    where = setting("chunkwise", "numpy", "numba", "bm25s", "lancedb", "tantivy")
    about = {"chunks": len(texts), "documents": len(taken), "characters": sum(map(len, texts)), "k": K}
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "blockmax.json").write_text(json.dumps({"setting": where, **about, **seen}, indent=1) + "\n")
    (RESULTS / "blockmax.md").write_text(_markdown(about, seen) + "\n" + as_markdown(where) + "\n")
    print(_markdown(about, seen))


def _words_of(texts: list[str], n: int) -> list[str]:
    """Five content words of one passage, n times."""
    from chunkwise.retrieve import words

    drawn = random.Random(SEED)
    found: list[str] = []
    while len(found) < n:
        content = sorted({word for word in drawn.choice(texts).split() if word.isalpha() and words("en").terms(word)})
        if len(content) >= 5:
            found.append(" ".join(drawn.sample(content, 5)))
    return found


def _chunkwise(path: Path, taken: list[list[str]]) -> tuple[Any, dict[str, Ask]]:
    from chunkwise.recipe import build
    from chunkwise.retrieve import Corpus
    from chunkwise.retrieve.blockmax import BlockMax, by_arrays
    from chunkwise.store import SQLiteStore

    store = SQLiteStore(path, {"space": ""})
    store.put(books.entry(f"/{number:04}", book) for number, book in enumerate(taken) if book)
    corpus, arrays = (Corpus(store, None, None) for _ in range(2))
    arrays._blockmax[SIZES[0]] = BlockMax(arrays.lexical((0,)), SIZES[0], by_arrays)
    bmp, bm25 = build("bmp", "retrieve"), build("bm25", "retrieve")
    return corpus, {
        "chunkwise bmp, compiled by numba": lambda query: bmp(corpus, query, K),
        "chunkwise bmp, NumPy alone": lambda query: bmp(arrays, query, K),
        "chunkwise bm25, exhaustive": lambda query: bm25(corpus, query, K),
    }


def _bm25s(texts: list[str]) -> dict[str, Ask]:
    import bm25s
    import Stemmer

    stemmer = Stemmer.Stemmer("english")

    def tokens(batch: list[str]) -> Any:
        return bm25s.tokenize(batch, stopwords="en", stemmer=stemmer, show_progress=False)

    tokenized = tokens(texts)
    engines: dict[str, Ask] = {}
    for name, backend in (("bm25s, compiled by numba", "numba"), ("bm25s, NumPy (its default)", "numpy")):
        index = bm25s.BM25(backend=backend)
        index.index(tokenized, show_progress=False)
        engines[name] = partial(_retrieved, index, tokens)
    return engines


def _retrieved(index: Any, tokens: Callable[[list[str]], Any], query: str) -> Any:
    return index.retrieve(tokens([query]), k=K, show_progress=False)


def _lancedb(path: Path, texts: list[str]) -> Ask:
    import lancedb
    import pyarrow as pa

    rows = pa.table({"id": pa.array(range(len(texts)), pa.int32()), "text": texts})
    table = lancedb.connect(path).create_table("passages", rows)
    table.create_fts_index("text", stem=True, remove_stop_words=True)
    return lambda query: table.search(query, query_type="fts").limit(K).select(["id", "_score"]).to_arrow()


def _tantivy(texts: list[str]) -> Ask:
    import tantivy

    schema = tantivy.SchemaBuilder()
    schema.add_integer_field("id", stored=True)
    schema.add_text_field("text", tokenizer_name="en_stem")
    index = tantivy.Index(schema.build())
    writer = index.writer()
    for number, text in enumerate(texts):
        writer.add_document(tantivy.Document(id=number, text=text))
    writer.commit()
    writer.wait_merging_threads()
    index.reload()
    searcher = index.searcher()
    stop = _stop_words()

    def ask(query: str) -> Any:
        kept = " ".join(word for word in query.lower().replace("'", " ").split() if word not in stop)
        parsed, _ = index.parse_query_lenient(kept, ["text"])
        return [searcher.doc(address)["id"] for _, address in searcher.search(parsed, K).hits]

    return ask


def _stop_words() -> frozenset[str]:
    """bm25s' list, since tantivy's stemming tokenizer brings none."""
    from bm25s.stopwords import STOPWORDS_EN

    return frozenset(STOPWORDS_EN)


def _timed(engines: dict[str, Ask], queries: list[str]) -> dict[str, dict[str, float]]:
    """Milliseconds at the median and at 95 % over the second half of the queries; the first is not timed."""
    times: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for first in range(0, len(queries), AT_A_TIME):
        for name, ask in engines.items():
            for query in queries[first : first + AT_A_TIME]:
                started, working = time.perf_counter(), time.process_time()
                ask(query)
                times[name].append((1000 * (time.perf_counter() - started), 1000 * (time.process_time() - working)))
    seen = {}
    for name, pairs in times.items():
        passed, worked = np.array(pairs[len(pairs) // 2 :]).T
        seen[name] = {"p50": float(np.median(passed)), "p95": float(np.quantile(passed, 0.95))}
        seen[name]["cpu"] = float(np.median(worked))
    return seen


def _scored(corpus: Any, queries: list[str]) -> list[dict[str, Any]]:
    """By size of blocks: the share scored of the chunks that hold a word of the query, and rankings that differ."""
    from chunkwise.retrieve.fuse import best

    shares: dict[int, list[float]] = {size: [] for size in SIZES}
    chunks: dict[int, list[float]] = {size: [] for size in SIZES}
    wrong = dict.fromkeys(SIZES, 0)
    for query in queries:
        terms = corpus.terms(query)
        scores = corpus.lexical((0,)).scores(terms)[0][0]
        exact, holding = best(scores, K), np.count_nonzero(scores)
        for size in SIZES:
            found = corpus.blockmax(size).best(terms, K)
            same = np.array_equal(found.chunks, exact) and np.array_equal(found.scores, scores[exact])
            wrong[size] += not same
            if holding:
                shares[size].append(found.scored / holding)
                chunks[size].append(found.scored)
    return [
        {
            "block": size,
            "share": float(np.mean(shares[size])),
            "share p95": float(np.quantile(shares[size], 0.95)),
            "chunks": float(np.mean(chunks[size])),
            "rankings that differ": wrong[size],
            "megabytes": sum(part.nbytes for part in corpus.blockmax(size)._blocks[4:8]) / 1e6,
        }
        for size in SIZES
    ]


def _markdown(about: dict[str, Any], seen: dict[str, Any]) -> str:
    parts = [
        "# Block-max pruning\n",
        f"{about['chunks']:,} passages of {about['documents']} books, {about['characters'] / 1e6:.0f} million "
        f"characters; the {K} best. Times are of one call from text to ranking, in one process.\n",
    ]
    for kind, content in seen.items():
        ours = next(iter(content["ms"].values()))["p50"]
        parts += [
            f"## {content['queries']} queries: {kind}\n",
            "| engine | p50 ms | p95 ms | CPU p50 ms | p50, times the first |",
        ]
        parts += ["| --- | ---: | ---: | ---: | ---: |"]
        parts += [
            f"| {name} | {ms['p50']:.2f} | {ms['p95']:.2f} | {ms['cpu']:.2f} | {ms['p50'] / ours:.1f} |"
            for name, ms in content["ms"].items()
        ]
        parts += ["\n| chunks a block | scored, of those that hold a word | at 95 % | chunks scored | rankings unlike "]
        parts[-1] += "exhaustive scoring's | MB |"
        parts += ["| ---: | ---: | ---: | ---: | ---: | ---: |"]
        parts += [
            f"| {row['block']} | {row['share']:.1%} | {row['share p95']:.1%} | {row['chunks']:.0f} "
            f"| {row['rankings that differ']} | {row['megabytes']:.1f} |"
            for row in content["scored"]
        ]
        parts.append("")
    return "\n".join(parts)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.blockmax", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--chunks", type=int, default=100_000)
    parser.add_argument("--questions", type=int, default=600)
    return parser.parse_args()


if __name__ == "__main__":
    main()
