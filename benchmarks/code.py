# ruff: noqa: A005
"""How often a definition stays whole: code chunkers side by side at equal sizes.

    python -m benchmarks.code --data DIR

DIR holds files.jsonl (file, sha256) and definitions.jsonl.gz (file, span): modules of the running Python's standard
library, whose hashes are checked, and the character spans of their functions and classes, decorators included. A
definition that is within the size in cl100k_base tokens counts as kept when one chunk, itself within the size, holds
its whole text. Needs the environment of benchmarks/requirements.txt and, for chonkie and astchunk, of
benchmarks/requirements-code.txt. Writes results/code.md, .json and .svg.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import sys
import sysconfig
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks.chunking import count, tiktoken_encoding, words
from benchmarks.machine import RESULTS, as_markdown, offline, setting

warnings.filterwarnings("ignore")
SIZES = (128, 256, 512)
PYTHON = "text/x-python"
Cut = Callable[[str], list[str]]


class Module(NamedTuple):
    """A source file and the texts of those definitions in it that no other one repeats."""

    name: str
    text: str
    definitions: list[str]


def modules(folder: Path) -> Iterator[Module]:
    """The files whose hash is the one that the spans were taken from."""
    with gzip.open(folder / "definitions.jsonl.gz", "rt", encoding="utf-8") as lines:
        found = [json.loads(line) for line in lines]
    root = Path(sysconfig.get_paths()["stdlib"])
    for line in (folder / "files.jsonl").read_text(encoding="utf-8").splitlines():
        about = json.loads(line)
        data = (root / about["file"]).read_bytes()
        if hashlib.sha256(data).hexdigest() != about["sha256"]:
            raise SystemExit(f"{about['file']} is not the file that the spans are of; run the Python they name")
        text = data.decode()
        texts = [text[slice(*one["span"])] for one in found if one["file"] == about["file"]]
        yield Module(about["file"], text, [one for one in texts if text.count(one) == 1])


def ours(recipe: str, size: int) -> Cut:
    """A recipe of chunkwise."""
    from chunkwise.recipe import build
    from chunkwise.units import Document

    segmenter, tokenizer = build(f"{recipe}:size={size}", "segment"), words("tiktoken")

    def cut(text: str) -> list[str]:
        return [text[a:b] for a, b in segmenter(Document.of(text, media_type=PYTHON), tokenizer.offsets(text))]

    return cut


def chonkie(size: int) -> Cut:
    """CodeChunker, by tokens."""
    import chonkie as library

    chunker = library.CodeChunker(tiktoken_encoding(), size, language="python")
    return lambda text: [chunk.text for chunk in chunker.chunk(text)]


def llama_index(size: int) -> Cut:
    """CodeSplitter, by characters: as many as `size` tokens of the file have on average."""
    import tree_sitter_python
    from llama_index.core.node_parser import CodeSplitter
    from tree_sitter import Language, Parser

    parser = Parser(Language(tree_sitter_python.language()))

    def cut(text: str) -> list[str]:
        characters = round(size * len(text) / count(text))
        splitter = CodeSplitter(language="python", chunk_lines_overlap=1, max_chars=characters, parser=parser)
        return list(splitter.split_text(text))

    return cut


def langchain(size: int) -> Cut:
    """RecursiveCharacterTextSplitter with its separators for Python, by tokens."""
    from langchain_text_splitters import Language, RecursiveCharacterTextSplitter

    splitter = RecursiveCharacterTextSplitter.from_language(
        Language.PYTHON, chunk_size=size, chunk_overlap=0, length_function=count
    )
    return lambda text: list(splitter.split_text(text))


def semantic_text_splitter(size: int) -> Cut:
    """CodeSplitter, by tokens."""
    import tree_sitter_python
    from semantic_text_splitter import CodeSplitter

    splitter = CodeSplitter.from_tiktoken_model(tree_sitter_python.language(), "gpt-4", size)
    return lambda text: list(splitter.chunks(text))


def haystack(size: int) -> Cut:
    """PythonCodeSplitter, by lines of 45 characters: as many as `size` tokens of the file have on average."""
    from haystack import Document
    from haystack.components.preprocessors import PythonCodeSplitter

    def cut(text: str) -> list[str]:
        lines = max(1, round(size * len(text) / count(text) / 45))
        splitter = PythonCodeSplitter(
            min_effective_lines=max(1, lines // 5), max_effective_lines=lines, preserve_class_definition=False
        )
        return [found.content or "" for found in splitter.run(documents=[Document(content=text)])["documents"]]

    return cut


def astchunk(size: int) -> Cut:
    """ASTChunkBuilder, by characters that are not blank: as many as `size` tokens of the file have on average."""
    from astchunk import ASTChunkBuilder

    def cut(text: str) -> list[str]:
        characters = round(size * len("".join(text.split())) / count(text))
        builder = ASTChunkBuilder(max_chunk_size=characters, language="python", metadata_template="none")
        return [found["content"] for found in builder.chunkify(text)]

    return cut


CHUNKERS: dict[str, Callable[[int], Cut]] = {
    "chunkwise cast": lambda size: ours("cast", size),
    "chunkwise recursive": lambda size: ours("recursive", size),
    "chunkwise fixed": lambda size: ours("fixed", size),
    "astchunk": astchunk,
    "semantic-text-splitter CodeSplitter": semantic_text_splitter,
    "chonkie CodeChunker": chonkie,
    "llama-index CodeSplitter": llama_index,
    "langchain Recursive, Python": langchain,
    "haystack PythonCodeSplitter": haystack,
}


def measure(cut: Cut, size: int, files: list[Module], lengths: dict[str, int]) -> dict[str, Any]:
    """One row: definitions kept whole in a chunk within the size, in a chunk of any size, and what the chunks are."""
    totals: Counter[str] = Counter()
    seconds = 0.0
    for module in files:
        begun = time.perf_counter()
        pieces = cut(module.text)
        seconds += time.perf_counter() - begun
        tokens = [count(piece) for piece in pieces]
        within = "\0".join(piece for piece, held in zip(pieces, tokens, strict=True) if held <= size)
        every = "\0".join(pieces)
        fitting = [one for one in module.definitions if lengths[one] <= size]
        totals["fitting"] += len(fitting)
        totals["kept"] += sum(one in within for one in fitting)
        totals["in any chunk"] += sum(one in every for one in fitting)
        totals["chunks"] += len(pieces)
        totals["tokens"] += sum(tokens)
        totals["over"] += sum(held > size for held in tokens)
        totals["exact"] += "".join(pieces) == module.text
    return {**totals, "seconds": seconds}


def report(found: dict[str, Any]) -> str:
    """The table as Markdown."""
    lines = [
        "# Code: definitions kept whole",
        "",
        f"{found['files']} modules of the standard library, {found['definitions']} functions and classes.",
        "kept: share of the definitions within the size whose text stands whole in one chunk that is itself within it;",
        "in any chunk: the same where a chunk may be larger than asked for. Sizes are cl100k_base tokens; astchunk,",
        "llama-index and haystack count characters or lines, and are given as many as `size` tokens of the file have",
        "on average, so that some of their chunks are over it.",
        "",
        "| size | chunker | definitions that fit | kept | in any chunk | chunks | mean tokens | chunks over the size "
        "| files joined exactly | seconds |",
        "|---|---|---|---|---|---|---|---|---|---|",
    ]
    for row in found["rows"]:
        if "error" in row:
            lines.append(f"| {row['size']} | {row['name']} | | {row['error']} | | | | | | |")
            continue
        fitting = row["fitting"]
        lines.append(
            f"| {row['size']} | {row['name']} | {fitting} | {row['kept'] / fitting:.2%} "
            f"| {row['in any chunk'] / fitting:.2%} | {row['chunks']} | {row['tokens'] / row['chunks']:.0f} "
            f"| {row['over']} | {row['exact']}/{found['files']} | {row['seconds']:.1f} |"
        )
    return "\n".join([*lines, "", as_markdown(found["run"]), ""])


def plot(found: dict[str, Any], path: Path) -> None:
    """The kept shares as grouped bars."""
    import matplotlib.pyplot as plt

    names = list(dict.fromkeys(row["name"] for row in found["rows"]))
    figure, axis = plt.subplots(figsize=(8, 4.5), layout="constrained")
    for at, size in enumerate(SIZES):
        rows = {row["name"]: row for row in found["rows"] if row["size"] == size and "kept" in row}
        shares = [100 * rows[name]["kept"] / rows[name]["fitting"] if name in rows else 0 for name in names]
        axis.barh([place + 0.27 * (1 - at) for place in range(len(names))], shares, height=0.26, label=f"{size} tokens")
    axis.set_yticks(range(len(names)), names)
    axis.invert_yaxis()
    axis.set(xlabel="definitions kept whole, %", xlim=(0, 100))
    axis.legend()
    figure.savefig(path)


def main() -> None:
    """Measure, and write the three files."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, required=True)
    chosen = options.parse_args()
    offline()
    files = list(modules(chosen.data))
    lengths = {one: count(one) for module in files for one in module.definitions}
    rows: list[dict[str, Any]] = []
    for size in SIZES:
        for name, make in CHUNKERS.items():
            row: dict[str, Any] = {"size": size, "name": name}
            try:
                row |= measure(make(size), size, files, lengths)
            except Exception as error:  # a peer may raise anything
                row["error"] = type(error).__name__
            rows.append(row)
            print(row, file=sys.stderr, flush=True)
    packages = (
        "chunkwise", "astchunk", "chonkie", "haystack-ai", "langchain-text-splitters", "llama-index-core",
        "semantic-text-splitter", "tiktoken", "tree-sitter", "tree-sitter-python",
    )  # fmt: skip
    found = {"run": setting(*packages), "files": len(files), "definitions": len(lengths), "rows": rows}
    (RESULTS / "code.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (RESULTS / "code.md").write_text(report(found), encoding="utf-8")
    plot(found, RESULTS / "code.svg")


if __name__ == "__main__":
    main()
