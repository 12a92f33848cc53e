"""The peers' chunkers, each as `text -> [(start, chunk)]`, start in characters.

Sizes are in cl100k_base tokens except where a library has its own fixed unit. Overlap is 0 throughout: under a budget
that counts every token handed over, an overlap is paid for twice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache, partial
from itertools import pairwise
from typing import Any

Cut = Callable[[str], list[tuple[int, str]]]
SENTENCES = ["\n\n", "\n", ".", "?", "!", " ", ""]


@cache
def encoding() -> Any:
    """tiktoken's cl100k_base, the one measure of every budget here."""
    import tiktoken

    return tiktoken.get_encoding("cl100k_base")


def count(text: str) -> int:
    """Tokens of `text`, special tokens read as ordinary text."""
    return len(encoding().encode(text, disallowed_special=()))


def fixed(size: int) -> Cut:
    """Runs of `size` tokens, whatever stands there: the plainest cut."""

    def cut(text: str) -> list[tuple[int, str]]:
        tokens = encoding().encode(text, disallowed_special=())
        _, starts = encoding().decode_with_offsets(tokens)
        bounds = [*starts[::size], len(text)]
        return [(start, text[start:end]) for start, end in pairwise(bounds)]

    return cut


def langchain(size: int, separators: list[str] | None) -> Cut:
    """RecursiveCharacterTextSplitter, with separators for sentences or (None) at its defaults."""
    from langchain_text_splitters import RecursiveCharacterTextSplitter

    splitter = RecursiveCharacterTextSplitter(
        separators, chunk_size=size, chunk_overlap=0, length_function=count, add_start_index=True
    )

    def cut(text: str) -> list[tuple[int, str]]:
        return [(d.metadata["start_index"], d.page_content) for d in splitter.create_documents([text])]

    return cut


def chonkie(kind: str, size: int) -> Cut:
    """Chonkie's RecursiveChunker or SentenceChunker."""
    import chonkie as library

    chunker = getattr(library, f"{kind.title()}Chunker")(encoding(), size)
    return lambda text: [(chunk.start_index, chunk.text) for chunk in chunker.chunk(text)]


def llama_index(size: int) -> Cut:
    """LlamaIndex's SentenceSplitter; it gives texts, which are found again moving forward."""
    from llama_index.core.node_parser import SentenceSplitter

    splitter = SentenceSplitter(
        chunk_size=size, chunk_overlap=0, tokenizer=lambda text: encoding().encode(text, disallowed_special=())
    )
    return lambda text: _located(text, splitter.split_text(text))


def semchunk(size: int) -> Cut:
    """Semchunk."""
    import semchunk as library

    chunker = library.chunkerify(encoding(), size)

    def cut(text: str) -> list[tuple[int, str]]:
        chunks, offsets = chunker(text, offsets=True)
        return [(start, chunk) for chunk, (start, _) in zip(chunks, offsets, strict=True)]

    return cut


def semantic_text_splitter(size: int) -> Cut:
    """TextSplitter of semantic-text-splitter, which counts cl100k_base under the name of a model that uses it."""
    from semantic_text_splitter import TextSplitter

    splitter = TextSplitter.from_tiktoken_model("gpt-4", size)
    return lambda text: list(splitter.chunk_indices(text))


def haystack_recursive(size: int) -> Cut:
    """Haystack's RecursiveDocumentSplitter, whose token is o200k_base's.

    Its own "sentence" separator needs a download, so "." stands in.
    """
    from haystack.components.preprocessors import RecursiveDocumentSplitter

    splitter = RecursiveDocumentSplitter(
        split_unit="token", split_length=size, split_overlap=0, separators=["\n\n", "\n", ".", " "]
    )
    return _haystack(splitter)


def haystack_word(words: int) -> Cut:
    """Haystack's DocumentSplitter by words."""
    from haystack.components.preprocessors import DocumentSplitter

    return _haystack(DocumentSplitter(split_by="word", split_length=words, split_overlap=0))


CHUNKERS: dict[str, Callable[[], Cut]] = {
    **{f"fixed {size}": partial(fixed, size) for size in (50, 100, 200, 400)},
    **{f"langchain {size}": partial(langchain, size, SENTENCES) for size in (50, 75, 100, 150, 200, 400)},
    "langchain default 200": partial(langchain, 200, None),
    "chonkie recursive 200": partial(chonkie, "recursive", 200),
    "chonkie sentence 200": partial(chonkie, "sentence", 200),
    "llama-index 200": partial(llama_index, 200),
    "semchunk 200": partial(semchunk, 200),
    "semchunk 400": partial(semchunk, 400),
    "semantic-text-splitter 200": partial(semantic_text_splitter, 200),
    "haystack recursive 200": partial(haystack_recursive, 200),
    "haystack 150 words": partial(haystack_word, 150),
}


def _haystack(splitter: Any) -> Cut:
    from haystack import Document

    splitter.warm_up()

    def cut(text: str) -> list[tuple[int, str]]:
        made = splitter.run(documents=[Document(content=text)])["documents"]
        return [(d.meta["split_idx_start"], d.content) for d in made]

    return cut


def _located(text: str, chunks: Iterable[str]) -> list[tuple[int, str]]:
    found, start = [], 0
    for chunk in chunks:
        start = text.index(chunk, start)
        found.append((start, chunk))
        start += len(chunk)
    return found
