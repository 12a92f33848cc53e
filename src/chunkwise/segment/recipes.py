"""The cuts that can be asked for by name."""

from __future__ import annotations

from chunkwise.recipe import recipe
from chunkwise.segment import Segmenter, outline
from chunkwise.segment.fit import any_character, checked, fit, last_separator
from chunkwise.segment.language import language_of
from chunkwise.segment.sentence import sentences
from chunkwise.tokens import TokenOffsets
from chunkwise.units import Document, Span


@recipe(
    "sentence",
    family="segment",
    seed="chunkwise's own default cut",
    claim="units small enough to be scored alone, never across a heading, a paragraph or a definition",
)
def sentence() -> Segmenter:
    """Sentences, statements and table rows, about 40 tokens each; what the index is made of."""

    def cut(document: Document, offsets: TokenOffsets) -> list[Span]:
        return sentences(document.text, outline(document))

    return cut


@recipe(
    "recursive",
    family="segment",
    seed="chunkwise's own: a hierarchy of separators over one tokenizer pass",
    claim="ends at a paragraph, a line or a sentence where fixed cuts tear words",
)
def recursive(size: int = 512, overlap: int = 0) -> Segmenter:
    """Chunks of at most `size` tokens, each cut at the last best separator that fits."""
    checked(size, overlap)

    def cut(document: Document, offsets: TokenOffsets) -> list[Span]:
        return fit(document.text, offsets, size, overlap, last_separator, Span(0, len(document.text)))

    return cut


@recipe(
    "fixed",
    family="segment",
    seed="chunkwise's own control: a cut every so many tokens",
    claim="as full as chunks can be, with no regard to the text",
)
def fixed(size: int = 512, overlap: int = 0) -> Segmenter:
    """Chunks of `size` tokens, cut wherever that falls; the control that every other cut must beat."""
    checked(size, overlap)

    def cut(document: Document, offsets: TokenOffsets) -> list[Span]:
        return fit(document.text, offsets, size, overlap, any_character, Span(0, len(document.text)))

    return cut


@recipe(
    "cast",
    family="segment",
    seed="cAST: Enhancing Code Retrieval-Augmented Generation with Structural Chunking via Abstract Syntax Tree",
    claim="the chunks joined equal the file, and no function or run of imports that fits the size is cut",
)
def cast(size: int = 512) -> Segmenter:
    """Code cut along its syntax tree into chunks of at most `size` tokens; anything else as `recursive` cuts it.

    The paper measures in characters that are not blank; here it is tokens. Imports that follow one another stay
    together where they fit. Python, JavaScript, TypeScript, TSX, Java, Go, Rust, C, C++, C#, Ruby, PHP, Bash, and every
    language whose grammar is installed as `tree-sitter-<language>`, broken code included. The paper's header of class
    and function names is each chunk's `path`, beside its text and not in it, so that the chunks still tile the file.
    """
    plain = recursive(size)

    def cut(document: Document, offsets: TokenOffsets) -> list[Span]:
        grammar = language_of(document).grammar
        if not grammar:
            return plain(document, offsets)
        from chunkwise.segment.cast import along_syntax

        return along_syntax(document.text, grammar, offsets, size)

    return cut
