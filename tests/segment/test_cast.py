"""Code along its syntax tree: imports together, names beside the chunks, grammars found where they are installed."""

from __future__ import annotations

import importlib
from itertools import pairwise
from pathlib import Path

import pytest

from chunkwise.recipe import build
from chunkwise.segment import chunks
from chunkwise.segment.language import language_of
from chunkwise.tokens import tokenizer
from chunkwise.units import Chunk, Document

IMPORTS = {
    "python": "from __future__ import annotations\n" + "".join(f"import module_{at}\n" for at in range(9)),
    "javascript": "".join(f'import {{ a{at} }} from "module_{at}";\n' for at in range(9)),
    "java": "".join(f"import some.module_{at};\n" for at in range(9)),
    "rust": "".join(f"use some::module_{at};\n" for at in range(9)),
    "c": "".join(f"#include <module_{at}.h>\n" for at in range(9)),
    "csharp": "".join(f"using Some.Module{at};\n" for at in range(9)),
    "php": "<?php\n" + "".join(f"use Some\\Module{at};\n" for at in range(9)),
}
LEAD = {"python": '"""A docstring of some length, which comes before all else."""\n\n', "php": ""}


def cast(text: str, size: int, media_type: str = "text/x-python", source: str = "<text>") -> list[Chunk]:
    document = Document.of(text, source, media_type)
    return chunks(document, build(f"cast:size={size}", "segment"), tokenizer().offsets(text))


@pytest.mark.parametrize("language", IMPORTS)
def test_imports_stay_together_where_they_fit(language: str) -> None:
    imports = IMPORTS[language]
    lead = LEAD.get(language, "/* A comment of some length, which comes before all else. */\nint first = 1;\n")
    text = lead + imports + "\n"
    size = tokenizer().count(imports) + 2
    cut = cast(text, size, f"text/x-{language}")
    assert len(cut) > 1 or not lead
    assert any(imports.removeprefix("<?php\n").strip() in chunk.text for chunk in cut)
    assert len(cast(text, size // 2, f"text/x-{language}")) > 2  # where they do not, they are cut between two


def test_a_chunk_bears_the_names_it_stands_under_beside_its_text() -> None:
    methods = "".join(f"    def method_{at}(self):\n        return {at} * self.size + {at}\n\n" for at in range(6))
    text = f"class Store:\n    class Shelf:\n{methods.replace('    ', '        ')}\n\ndef free(x):\n    return x\n"
    cut = cast(text, 40)
    assert "".join(chunk.text for chunk in cut) == text
    assert [chunk.path for chunk in cut if "def method_4" in chunk.text] == [("Store", "Shelf", "method_4")]


def test_a_grammar_is_found_where_it_is_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in wheel, which is Python's grammar by another name; and two that are no grammar."""
    for name, content in {
        "kobra": "from tree_sitter_python import language",
        "broken": "raise ImportError",
        "older": "language = 7",
    }.items():
        (tmp_path / f"tree_sitter_{name}.py").write_text(content)
    text = "import a\n\ndef f(x):\n    return x\n\ndef g(x):\n    return x\n"
    assert language_of(Document.of(text, "a.kobra1")).grammar == ""
    monkeypatch.syspath_prepend(tmp_path)
    importlib.invalidate_caches()
    assert language_of(Document.of(text, "a.kobra")).grammar == "kobra"
    assert language_of(Document.of(text, media_type="text/x-kobra")).grammar == "kobra"
    assert [chunk.path for chunk in cast(text, 10, "text/plain", "a.kobra")] == [(), ("f",), ("g",)]
    assert language_of(Document.of(text, "a.broken")).grammar == ""
    assert language_of(Document.of(text, "a.older")).grammar == ""


@pytest.mark.parametrize("ending", ["kt", "lua", "ex", "jl", "swift"])
def test_code_without_its_grammar_is_lines(ending: str) -> None:
    found = language_of(Document.of("x", f"a.{ending}"))
    assert found.kind == "code"


@pytest.mark.parametrize(
    "text",
    [
        "".join("  " * at + f"if a{at}:\n" for at in range(300)) + "  " * 300 + "pass\n",
        "x = " + "(" * 400 + "1" + ")" * 400 + "\n",
        "def f(:\n  import a\n import b\nimport c\n class ((\n'''open\n" * 60,
        "import a\n" * 3000,
        "import (\n" * 300,
    ],
)
def test_deep_and_broken_code_is_tiled(text: str) -> None:
    for size in (5, 60):
        cut = cast(text, size)
        assert "".join(chunk.text for chunk in cut) == text
        assert all(a.span.end == b.span.start for a, b in pairwise(cut))
        assert all(tokenizer().count(chunk.text) <= size or len(chunk.text) == 1 for chunk in cut)
