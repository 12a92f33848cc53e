"""Chunkers side by side: speed against the tokenizer's bare pass, exactness, and faults on odd input.

    python -m benchmarks.chunking --data DIR [--rounds 3] [--seconds 20]

DIR holds prose as *.md and *.jsonl.gz with a "text" field. Code is the running Python's standard library. Recipes that
embed do so with the static embedder, those that read with a language model with the one of the package, on a sample;
recipes that ask a model are not here, for a reply is what they wait for. Needs the environment of
benchmarks/requirements.txt. Writes results/chunking.md, .json and .svg.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import platform
import random
import select
import subprocess
import sys
import sysconfig
import time
import warnings
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache, partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from .llama_embedding import llama_embedding
from .machine import offline

warnings.filterwarnings("ignore")
SIZE = 512
Piece = tuple[str, int | None]  # text and, where the chunker says it, the offset of its first character
Chunker = Callable[[str], list[Piece]]
RESULTS = Path(__file__).parent / "results"
TABLES = {
    "prose": "Prose",
    "code": "Code",
    "every": "Every other recipe, and the peers with the same idea, on a sample of the prose",
    "reading": "Recipes that read with a language model, on a smaller sample",
}


@cache
def tiktoken_encoding() -> Any:
    """cl100k_base as tiktoken loads it."""
    import tiktoken

    return tiktoken.get_encoding("cl100k_base")


def count(text: str) -> int:
    """Tokens of cl100k_base, the vocabulary that every peer here is given."""
    return len(tiktoken_encoding().encode(text.encode("utf-8", "replace").decode(), disallowed_special=()))


@cache
def words(name: str) -> Any:
    """Our tokenizer of that name; "tiktoken" is cl100k_base through tiktoken's own encoder."""
    import numpy as np

    from chunkwise.tokens import BytePairTokenizer, tokenizer

    if name != "tiktoken":
        return tokenizer(name)
    inner = tiktoken_encoding()
    return BytePairTokenizer(
        name,
        lambda text: np.frombuffer(inner.encode_to_numpy(text, disallowed_special=()), dtype=np.uint32),
        inner.decode_single_token_bytes,
        inner.n_vocab,
    )


def forget() -> None:
    """Empty splintr's cache of words, as for text that it has never seen."""
    for cell in words("o200k_base")._encode.__closure__:
        if hasattr(cell.cell_contents, "clear_cache"):
            cell.cell_contents.clear_cache()


@cache
def models() -> Any:
    """The models that recipes are made of; the embedder is the static one."""
    from chunkwise.supplies import supplies

    return supplies("static")


def ours(spec: str, tokens: str = "tiktoken", media_type: str = "text/markdown") -> Chunker:
    """Tokenizer pass, cut and slices: what a caller waits for."""
    from chunkwise.recipe import build
    from chunkwise.units import Document, LineMap

    segmenter, tokenizer, lines = build(spec, "segment", models()), words(tokens), LineMap()

    def cut(text: str) -> list[Piece]:
        document = Document("", text, "", media_type, lines=lines)
        return [(text[start:end], start) for start, end in segmenter(document, tokenizer.offsets(text))]

    return cut


def bare(tokens: str) -> Chunker:
    """The floor: the encoder alone."""
    encode = words(tokens)._encode

    def run(text: str) -> list[Piece]:
        encode(text)
        return []

    return run


def chonkie(kind: str) -> Chunker:
    """The chunker of that class in chonkie."""
    import chonkie as library

    if kind == "CodeChunker":
        chunker = library.CodeChunker(tiktoken_encoding(), SIZE, language="python")
    elif kind == "RecursiveChunker":
        chunker = library.RecursiveChunker(tiktoken_encoding(), SIZE)
    else:
        chunker = getattr(library, kind)(tiktoken_encoding(), SIZE, 0)
    return lambda text: [(chunk.text, chunk.start_index) for chunk in chunker.chunk(text)]


def langchain(strip: bool = True) -> Chunker:
    """RecursiveCharacterTextSplitter, blanks at the edges stripped as by default, or kept."""
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    splitter = RecursiveCharacterTextSplitter.from_tiktoken_encoder(
        encoding_name="cl100k_base", chunk_size=SIZE, chunk_overlap=0, add_start_index=True, strip_whitespace=strip
    )
    return lambda text: [(d.page_content, d.metadata["start_index"]) for d in splitter.create_documents([text])]


def llama(code: bool = False) -> Chunker:
    """SentenceSplitter, or CodeSplitter at four characters a token."""
    from llama_index.core import Document
    from llama_index.core.node_parser import CodeSplitter, SentenceSplitter

    splitter: Any
    if code:
        import tree_sitter_python
        from tree_sitter import Language, Parser

        parser = Parser(Language(tree_sitter_python.language()))
        splitter = CodeSplitter(language="python", chunk_lines_overlap=1, max_chars=4 * SIZE, parser=parser)
    else:
        splitter = SentenceSplitter(
            chunk_size=SIZE,
            chunk_overlap=0,
            tokenizer=lambda text: tiktoken_encoding().encode(text, disallowed_special=()),
        )
    return lambda text: [(n.text, n.start_char_idx) for n in splitter.get_nodes_from_documents([Document(text=text)])]


def semchunk() -> Chunker:
    """The one chunker of semchunk."""
    import semchunk as library

    chunker = library.chunkerify(tiktoken_encoding(), SIZE)

    def cut(text: str) -> list[Piece]:
        texts, offsets = chunker(text, offsets=True)
        return [(piece, start) for piece, (start, _) in zip(texts, offsets, strict=True)]

    return cut


def semantic_text_splitter(code: bool = False) -> Chunker:
    """TextSplitter or CodeSplitter, without the trimming that loses blanks."""
    from semantic_text_splitter import CodeSplitter, TextSplitter

    if code:
        import tree_sitter_python

        splitter = CodeSplitter.from_tiktoken_model(tree_sitter_python.language(), "gpt-4", SIZE, trim=False)
    else:
        splitter = TextSplitter.from_tiktoken_model("gpt-4", SIZE, trim=False)
    return lambda text: [(piece, start) for start, piece in splitter.chunk_indices(text)]


def haystack(code: bool = False) -> Chunker:
    """RecursiveDocumentSplitter, whose unit is o200k_base whatever is asked, or PythonCodeSplitter."""
    from haystack import Document
    from haystack.components.preprocessors import PythonCodeSplitter, RecursiveDocumentSplitter

    splitter: Any = (
        PythonCodeSplitter()
        if code
        else RecursiveDocumentSplitter(
            split_unit="token", split_length=SIZE, split_overlap=0, separators=["\n\n", "\n", ".", " "]
        )
    )
    splitter.warm_up()
    return lambda text: [
        (found.content, None if code else found.meta.get("split_idx_start"))
        for found in splitter.run(documents=[Document(content=text)])["documents"]
    ]


def chonkie_semantic() -> Chunker:
    """SemanticChunker with the static embedder that `semantic` is given."""
    from chonkie import SemanticChunker
    from chonkie.embeddings import BaseEmbeddings

    vectors = models()["embed"]()

    class Static(BaseEmbeddings):  # type: ignore[misc]  # the peer is not there when types are checked
        """The embedder in chonkie's own terms."""

        dimension = vectors(["x"]).shape[1]

        def embed(self, text: str) -> Any:
            return vectors([text])[0]

        def embed_batch(self, texts: list[str]) -> list[Any]:
            return list(vectors(texts))

        def get_tokenizer(self) -> Any:
            return tiktoken_encoding()

    chunker = SemanticChunker(Static(), chunk_size=SIZE)
    return lambda text: [(chunk.text, chunk.start_index) for chunk in chunker.chunk(text)]


def llama_semantic() -> Chunker:
    """SemanticSplitterNodeParser, which has no size limit, with the static embedder that `semantic` is given."""
    from llama_index.core import Document
    from llama_index.core.node_parser import SemanticSplitterNodeParser

    splitter = SemanticSplitterNodeParser.from_defaults(llama_embedding(models()["embed"]()))
    return lambda text: [(n.text, n.start_char_idx) for n in splitter.get_nodes_from_documents([Document(text=text)])]


PYTHON = "text/x-python"
PROSE: dict[str, Callable[[], Chunker]] = {
    "bare pass (tiktoken)": lambda: bare("tiktoken"),
    "chunkwise recursive (tiktoken)": lambda: ours("recursive"),
    "chunkwise fixed (tiktoken)": lambda: ours("fixed"),
    "chunkwise sentence (tiktoken)": lambda: ours("sentence"),
    "bare pass (splintr o200k)": lambda: bare("o200k_base"),
    "chunkwise recursive (splintr o200k)": lambda: ours("recursive", "o200k_base"),
    "chunkwise sentence (splintr o200k)": lambda: ours("sentence", "o200k_base"),
    "chonkie RecursiveChunker": lambda: chonkie("RecursiveChunker"),
    "chonkie TokenChunker": lambda: chonkie("TokenChunker"),
    "chonkie SentenceChunker": lambda: chonkie("SentenceChunker"),
    "langchain Recursive": langchain,
    "langchain Recursive, no strip": lambda: langchain(strip=False),
    "llama-index SentenceSplitter": llama,
    "semchunk": semchunk,
    "semantic-text-splitter": semantic_text_splitter,
    "haystack Recursive": haystack,
}
CODE: dict[str, Callable[[], Chunker]] = {
    "bare pass (tiktoken)": lambda: bare("tiktoken"),
    "chunkwise cast (tiktoken)": lambda: ours("cast", media_type=PYTHON),
    "chunkwise sentence (tiktoken)": lambda: ours("sentence", media_type=PYTHON),
    "bare pass (splintr o200k)": lambda: bare("o200k_base"),
    "chunkwise cast (splintr o200k)": lambda: ours("cast", "o200k_base", PYTHON),
    "chunkwise sentence (splintr o200k)": lambda: ours("sentence", "o200k_base", PYTHON),
    "semantic-text-splitter CodeSplitter": lambda: semantic_text_splitter(code=True),
    "llama-index CodeSplitter": lambda: llama(code=True),
    "haystack PythonCodeSplitter": lambda: haystack(code=True),
    "chonkie CodeChunker": lambda: chonkie("CodeChunker"),
}


SEMANTIC: dict[str, Callable[[], Chunker]] = {
    "chonkie SemanticChunker (the same static embedder)": chonkie_semantic,
    "llama-index SemanticSplitter (the same static embedder)": llama_semantic,
}


def every(reads: bool) -> dict[str, Callable[[], Chunker]]:
    """Every recipe that asks nobody and is not above, at SIZE tokens: those that read with a language model or not."""
    from chunkwise.recipe import recipes

    above = " ".join((*PROSE, *CODE))
    chosen = [
        made.name
        for made in recipes("segment")
        if f"chunkwise {made.name} " not in above and "ask" not in made.models and ("lm" in made.models) == reads
    ]
    floor: dict[str, Callable[[], Chunker]] = {"bare pass (tiktoken)": lambda: bare("tiktoken")}
    return floor | {f"chunkwise {name} (tiktoken)": partial(ours, f"{name}:size={SIZE}") for name in chosen}


def odd_texts() -> dict[str, str]:
    """The inputs on which chunkers are known to fail."""
    chosen = random.Random(1).choices(["alpha", "beta", "gamma", "delta", "epsilon", "42", "x.", "y,", "z;"], k=900_000)
    return {
        "empty": "",
        "blank": "  \n\t \r\n  ",
        "newlines": "\n" * 5000,
        "one line, 5 MB": (" ".join(chosen) * 2)[:5_000_000],
        "one word, 1 MB": "a" * 1_000_000,
        "emoji": "👩‍👩‍👧‍👦🏽‍🚀🇫🇷e\u0301 " * 4000,
        "lone surrogates": "ok \ud83d broken \udc00 text. " * 2000,
        "NUL": "a\x00b. c\x00\x00d\n" * 4000,
        "CRLF": "line one.\r\nline two is here.\r\n\r\npara\r\n" * 2000,
        "right to left": "שלום עולם. مرحبا بالعالم! \u200fabc\u200f " * 3000,
        "CJK": "这是一个没有空格的中文句子。人工智能正在改变世界！" * 3000,
        "Thai": "ภาษาไทยไม่มีเว้นวรรคระหว่างคำ" * 3000,
        "special tokens": "<|endoftext|> hi <|fim_prefix|> " * 1500,
        "combining marks": "Z" + "\u0301" * 20000,
        "odd line ends": "a b\x0bc\x0cd\x85e\u2028f\u2029g. " * 2000,
        "byte-order mark": "\ufeffhello world. " * 2000,
        "broken code": "def f(:\n  class ((\n'''never closed\n" * 500,
        "code beyond ASCII": "# naïve café 日本語\ndef größe(x):\n    return 'ß' * x\n\n\n" * 400,
        "escapes in a long string": 's = """' + "text \\x41 and more words to come\n" * 400 + '"""\n',
    }


def verdict(text: str, pieces: list[Piece]) -> dict[str, Any]:
    """Lost or added characters, wrong offsets, and chunks above SIZE tokens on their own (a single character aside)."""
    joined = "".join(piece for piece, _ in pieces)
    wrong = sum(start is not None and text[start : start + len(piece)] != piece for piece, start in pieces)
    over = sum(len(piece) > 1 and count(piece) > SIZE for piece, _ in pieces if len(piece) > SIZE // 8)
    missing = abs(len(text) - len(joined)) or int(joined != text)
    return {"chunks": len(pieces), "lost": missing, "wrong": wrong, "over": over, "exact": joined == text}


def child(table: str, name: str, cases: list[str]) -> None:
    """One chunker on odd texts, one line of standard output a text: the verdict, or the error's name."""
    chunker = {"prose": PROSE, "code": CODE}[table][name]()
    texts = odd_texts()
    limited = "sentence (" not in name  # `sentence` makes small units and is given no limit
    for case in cases:
        text = texts[case]
        try:
            pieces = chunker(text)
            if case == "one word, 1 MB":  # tiktoken needs minutes to count the whole of it
                pieces = [(piece[:100_000], start) for piece, start in pieces]
                text = text[: sum(len(piece) for piece, _ in pieces)]
            found = verdict(text, pieces)
            said = (
                ", ".join(
                    f"{key} {found[key]}"
                    for key in ("lost", "wrong", "over")
                    if found[key] and (key != "over" or limited)
                )
                or "ok"
            )
        except BaseException as error:  # Rust panics are no Exception
            said = type(error).__name__
        print(said, flush=True)


def faults(table: str, name: str, limit: float) -> dict[str, str]:
    """By odd text: `ok`, an error's name, `slow`, `lost N` characters, `wrong N` offsets, `over N` chunks.

    The chunker runs in a process of its own, ended and begun anew after a text that takes longer than `limit` seconds.
    """
    found: dict[str, str] = {}
    left = list(odd_texts())
    while left:
        command = [sys.executable, "-m", "benchmarks.chunking", "--child", table, name, *left]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, bufsize=0) as running:
            assert running.stdout is not None
            patience = limit + 30  # the first answer waits for the imports
            while left:
                ready, _, _ = select.select([running.stdout], [], [], patience)
                line = running.stdout.readline() if ready else b""
                found[left[0]] = line.decode().strip() or ("process died" if ready else f"slow: > {limit:.0f} s")
                left.pop(0)
                patience = limit
                if not line:
                    break
            running.kill()
    return found


def prose(folder: Path, limit: int = 4_000_000) -> list[str]:
    """Markdown files and the "text" of JSON lines under `folder`, up to `limit` characters."""
    texts = [path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*.md")) if "gold" not in path.name]
    for name in ("md_docs.jsonl.gz", "books.jsonl.gz"):
        for path in sorted(folder.rglob(name)):
            with gzip.open(path, "rt", encoding="utf-8") as lines:
                texts.extend(json.loads(line)["text"] for line in lines)
    kept, total = [], 0
    for text in texts:
        if text and total < limit:
            kept.append(text)
            total += len(text)
    return kept


def code(limit: int = 3_000_000) -> list[str]:
    """The running Python's own library, top level first."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    texts, total = [], 0
    for path in [*sorted(folder.glob("*.py")), *sorted(folder.glob("[a-s]*/*.py"))]:
        text = path.read_text(encoding="utf-8", errors="replace")
        if text and "test" not in str(path) and total < limit:
            texts.append(text)
            total += len(text)
    return texts


def sample(texts: list[str], count: int, characters: int) -> list[str]:
    """The beginnings of `count` texts that are long enough, spread over all of them."""
    long = [text[:characters] for text in texts if len(text) >= characters] or texts
    return long[:: max(1, len(long) // count)][:count]


def measure(chunkers: dict[str, Callable[[], Chunker]], texts: list[str], rounds: int, seconds: float) -> list[Any]:
    """One row a chunker: best MB/s of interleaved rounds, and the verdict over all texts it got through."""
    made: dict[str, Chunker] = {}
    rows: dict[str, dict[str, Any]] = {}
    for name, make in chunkers.items():
        rows[name] = {"name": name, "speed": 0.0}
        try:
            made[name] = make()
            made[name]("def warm(up):\n    return up\n")
        except Exception as error:  # a peer may raise anything
            rows[name]["error"] = type(error).__name__
            made.pop(name, None)
    for turn in range(rounds):
        for name in made:
            forget()
            chunker = chunkers[name]()  # some peers remember the counts of texts that they have seen
            taken, done, totals = 0.0, 0, dict.fromkeys(("chunks", "lost", "wrong", "over", "exact"), 0)
            results = []
            for text in texts:
                begun = time.perf_counter()
                try:
                    pieces = chunker(text)
                except Exception as error:  # a peer may raise anything
                    rows[name]["error"] = type(error).__name__
                    pieces = []
                taken += time.perf_counter() - begun
                done += len(text.encode())
                results.append((text, pieces))
                if taken > seconds:
                    break
            speed = done / 1e6 / taken
            if speed > rows[name]["speed"]:
                rows[name] |= {"speed": speed, "MB": done / 1e6, "documents": len(results)}
            if turn == 0 and not name.startswith("bare"):
                for text, pieces in results:
                    for key, value in verdict(text, pieces).items():
                        totals[key] += value
                rows[name] |= totals
            print(f"round {turn + 1}: {name}: {figure(speed)} MB/s", file=sys.stderr, flush=True)
    return list(rows.values())


def figure(value: float) -> str:
    """Two digits after the point, or two that are not 0."""
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def report(found: dict[str, Any]) -> str:
    """The tables as Markdown."""
    lines = ["# Chunking", "", *(f"- {key}: {value}" for key, value in found["run"].items()), ""]
    for table in TABLES:
        if table not in found:
            continue
        speed = {row["name"]: row["speed"] for row in found[table]}
        lines += [
            f"## {TABLES[table]}: {found['sizes'][table]}, chunks of at most {SIZE} tokens",
            "",
            "| chunker | MB/s | of its bare pass | exact documents | characters lost or added | wrong offsets "
            f"| chunks over {SIZE} | chunks |",
            "|---|---|---|---|---|---|---|---|",
        ]
        for row in found[table]:
            if "chunks" not in row:
                note = row.get("error", "")
                lines.append(f"| {row['name']} | {figure(row['speed'])} | {'' if note else '1'} | {note} | | | | |")
                continue
            floor = speed["bare pass (splintr o200k)" if "o200k" in row["name"] else "bare pass (tiktoken)"]
            over = "(other vocabulary)" if "o200k" in row["name"] else row["over"]
            lines.append(
                f"| {row['name']} | {figure(row['speed'])} | {figure(row['speed'] / floor)} "
                f"| {row['exact']}/{row['documents']}"
                f"{' ' + row['error'] if 'error' in row else ''} | {row['lost']} | {row['wrong']} | {over} "
                f"| {row['chunks']} |"
            )
        lines.append("")
    lines += [
        "Speeds are the best of interleaved rounds; splintr's own cache of words is emptied before each.",
        "Of the other recipes the semantic ones alone have a peer here that has the same idea; with MiniLM for the",
        "static embedder they stand in semantic.md. How near cuts lie to where subjects change is in boundaries.md.",
        "`late` only cuts, for an encoder that embeds afterwards. llama-index's SemanticSplitter holds no token limit.",
        "`sentence` makes small units and holds no token limit. A speed is over the documents",
        "that a round's time limit lets a chunker reach.",
        "",
    ]
    for table in ("prose", "code"):
        faults = found["faults"][table]
        if faults:
            names = list(faults)
            lines += [
                f"## Odd input, {table} chunkers",
                "",
                "| input | " + " | ".join(names) + " |",
                "|---" * (len(names) + 1) + "|",
            ]
            lines += [f"| {case} | " + " | ".join(faults[name][case] for name in names) + " |" for case in odd_texts()]
            lines.append("")
    return "\n".join(lines)


def plot(found: dict[str, Any], path: Path) -> None:
    """Speed as bars on a log axis, ours and the bare pass apart from the peers."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for axis, table in zip(axes, ("prose", "code"), strict=True):
        rows = sorted((row for row in found[table] if row["speed"]), key=lambda row: row["speed"])
        shades = [
            "#1f6feb" if "chunkwise" in r["name"] else "#8c959f" if "bare" in r["name"] else "#d0a04c" for r in rows
        ]
        axis.barh([row["name"] for row in rows], [row["speed"] for row in rows], color=shades)
        axis.set(xscale="log", xlabel="MB/s", title=f"{table}, chunks of {SIZE} tokens")
    figure.savefig(path)


def main() -> None:
    """Measure, and write the three files."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--seconds", type=float, default=20, help="the longest a chunker may run in one round")
    options.add_argument("--limit", type=float, default=20, help="seconds for one odd input")
    options.add_argument(
        "--keep-faults", action="store_true", help="measure speed alone; faults as in the last results"
    )
    options.add_argument("--child", nargs="+", help=argparse.SUPPRESS)
    chosen = options.parse_args()
    offline()
    if chosen.child:
        child(chosen.child[0], chosen.child[1], chosen.child[2:])
        return
    if not chosen.data:
        options.error("--data DIR is needed")
    texts = {"prose": prose(chosen.data), "code": code()}
    texts |= {"every": sample(texts["prose"], 20, 25_000), "reading": sample(texts["prose"], 4, 4000)}
    packages = "chonkie langchain-text-splitters llama-index-core semchunk semantic-text-splitter haystack-ai tiktoken splintr-rs tree-sitter numpy"  # noqa: E501
    cpu = next(
        (line.split(":")[1].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        "",
    )
    found: dict[str, Any] = {
        "run": {
            "command": f"python -m benchmarks.chunking --data DIR --rounds {chosen.rounds}"
            f" --seconds {chosen.seconds:g}",
            "date": f"{datetime.now(UTC):%Y-%m-%d}",
            "machine": f"{os.cpu_count()} cores, {cpu}; load at the start {os.getloadavg()[0]:.1f}",
            "versions": ", ".join(
                [f"Python {platform.python_version()}", *(f"{p} {version(p)}" for p in packages.split())]
            ),
        },
        "sizes": {
            name: f"{sum(len(text.encode()) for text in some) / 1e6:.2f} MB in {len(some)} documents"
            for name, some in texts.items()
        },
        "prose": measure(PROSE, texts["prose"], chosen.rounds, chosen.seconds),
        "code": measure(CODE, texts["code"], chosen.rounds, chosen.seconds),
        "every": measure(every(reads=False) | SEMANTIC, texts["every"], chosen.rounds, 20),
        "reading": measure(every(reads=True), texts["reading"], chosen.rounds, 20),
        "faults": {"prose": {}, "code": {}},
    }
    RESULTS.mkdir(exist_ok=True)
    if chosen.keep_faults:
        found["faults"] = json.loads((RESULTS / "chunking.json").read_text(encoding="utf-8"))["faults"]
    for table, chunkers in (("prose", PROSE), ("code", CODE)):
        for name in chunkers:
            if (
                name in found["faults"][table]
                or name.startswith("bare")
                or "o200k" in name
                or "error" in next(r for r in found[table] if r["name"] == name)
            ):
                continue
            found["faults"][table][name] = faults(table, name, chosen.limit)
            print(name, found["faults"][table][name], file=sys.stderr, flush=True)
    (RESULTS / "chunking.json").write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (RESULTS / "chunking.md").write_text(report(found) + "\n", encoding="utf-8")
    plot(found, RESULTS / "chunking.svg")


if __name__ == "__main__":
    main()
