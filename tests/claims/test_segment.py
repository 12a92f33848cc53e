"""Each cut's point, beside a control that misses it."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap

import pytest

from chunkwise.recipe import build
from chunkwise.segment import outline
from chunkwise.tokens import tokenizer
from chunkwise.units import Document, LineMap, Span

BOOK = "\n\n".join(
    f"The {name} was brought up the hill in spring. It stood there for {number} years, and nobody asked why.\n"
    f"In the end a storm took it; the village built another."
    for number, name in enumerate(["bell", "mill", "lantern", "gate", "well", "tower", "press", "loom"] * 12, 2)
)


def cut(spec: str, text: str, media_type: str = "text/plain") -> list[Span]:
    return list(build(spec, "segment")(Document.of(text, media_type=media_type), tokenizer().offsets(text)))


def test_sentence() -> None:
    """No unit goes from one paragraph or definition into the next, and none is long; blocks of equal size do both."""
    source = inspect.getsource(textwrap)
    for text, media_type in ((BOOK, "text/plain"), (source, "text/x-python")):
        document = Document.of(text, media_type=media_type)
        walls = outline(document).starts.tolist()
        spans = cut("sentence", text, media_type)
        size = round(len(tokenizer().offsets(text)) / len(spans))
        assert 10 <= size <= 60

        def crossed(spans: list[Span], walls: list[int] = walls) -> int:
            return sum(any(start < wall < end for wall in walls) for start, end in spans)

        assert len(walls) > 20
        assert crossed(spans) == 0
        assert crossed(cut(f"fixed:size={size + 1}", text)) > len(walls) // 4


def test_recursive() -> None:
    """Ends where a sentence does, where fixed cuts of the same size tear words."""

    def torn(spec: str) -> int:
        return sum(bool(re.match(r"\w\w|\w[^\w\s]*\s", BOOK[end - 1 : end + 2])) for _, end in cut(spec, BOOK)[:-1])

    def whole(spec: str) -> float:
        ends = [BOOK[:end].rstrip()[-1] == "." for _, end in cut(spec, BOOK)]
        return sum(ends) / len(ends)

    assert whole("recursive:size=100") == 1.0
    assert whole("fixed:size=100") < 0.3
    assert torn("recursive:size=100") == 0


def test_fixed() -> None:
    """As few chunks as the size allows, since none is cut short for the sake of the text."""
    tokens = len(tokenizer().offsets(BOOK))
    assert len(cut("fixed:size=100", BOOK)) <= -(-tokens // 100) + 1
    assert len(cut("recursive:size=100", BOOK)) > -(-tokens // 100) + 1


@pytest.mark.parametrize("size", [200, 512])
def test_cast(size: int) -> None:
    """The chunks joined equal the file, no function that fits is cut and the imports are whole; fixed cuts many."""
    source = inspect.getsource(ast)
    lines = (0, *LineMap.of_text(source).starts)
    functions = [
        Span(lines[node.lineno] + node.col_offset, lines[node.end_lineno] + node.end_col_offset)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.FunctionDef) and node.end_lineno and node.end_col_offset
    ]
    fitting = [span for span in functions if tokenizer().count(source[span.start : span.end]) <= size]

    def cut_functions(spec: str) -> int:
        ends = [end for _, end in cut(spec, source, "text/x-python")]
        return sum(any(start < end < stop for end in ends) for start, stop in fitting)

    assert source.isascii()
    assert len(fitting) > 50
    assert "".join(source[start:end] for start, end in cut(f"cast:size={size}", source, "text/x-python")) == source
    assert cut_functions(f"cast:size={size}") == 0
    assert cut_functions(f"fixed:size={size}") > 10
    imports = "".join(f"from library.module_{number} import name_{number}\n" for number in range(size // 12))
    source = f'"""{BOOK[: 2 * size]}"""\n\n{imports}\n\n' + inspect.getsource(textwrap.dedent)

    def pieces_of_imports(spec: str) -> int:
        return sum("from library." in source[start:end] for start, end in cut(spec, source, "text/x-python"))

    assert pieces_of_imports(f"cast:size={size}") == 1
    assert pieces_of_imports(f"fixed:size={size}") == 2
