"""What an outline sees: headings, wrapped lines, sentences, definitions in every language with a grammar."""

from __future__ import annotations

import pytest

from chunkwise.recipe import build
from chunkwise.segment import outline
from chunkwise.segment.prose import sentence_ends
from chunkwise.tokens import tokenizer
from chunkwise.units import Document


def units(text: str, media_type: str = "text/plain", source: str = "<text>") -> list[str]:
    document = Document.of(text, source, media_type)
    return [text[start:end] for start, end in build("sentence", "segment")(document, tokenizer().offsets(text))]


def paths(text: str, media_type: str) -> list[tuple[str, ...]]:
    return list(dict.fromkeys(outline(Document.of(text, media_type=media_type)).paths))


def test_sentences_end_where_a_reader_ends_them() -> None:
    text = (
        "Dr. J. Smith paid 3.5 million, i.e. nearly all of it. \u201cWas that wise?\u201d he asked. "
        "It was (see Fig. 2 of the report). Nobody knew\u2026 Then it rained!"
    )
    ends = [0, *sentence_ends(text).tolist(), len(text)]
    assert [text[a:b] for a, b in zip(ends, ends[1:], strict=False)] == [
        "Dr. J. Smith paid 3.5 million, i.e. nearly all of it. ",
        "\u201cWas that wise?\u201d he asked. ",
        "It was (see Fig. 2 of the report). ",
        "Nobody knew\u2026 ",
        "Then it rained!",
    ]


@pytest.mark.parametrize("text", ["人工智能。改变世界！真的吗？", "यह पहला है। यह दूसरा है।"])
def test_sentences_end_in_other_scripts(text: str) -> None:
    assert len(sentence_ends(text)) == sum(text.count(mark) for mark in "。！？।")


def test_a_text_without_capitals_has_sentences() -> None:
    text = "income rose in 2017. costs fell, as planned. the board was pleased. nothing else was said."
    assert len(sentence_ends(text)) == 3


def test_wrapped_lines_are_joined_and_turns_are_not() -> None:
    wrapped = (
        "The quick brown fox jumps over the lazy dog and then\nit runs across the field towards the river, which\n"
        "is wide and deep at this time of the year, so that\nit has to look for another way.\n"
    )
    assert len(units(wrapped * 2)) == 2 or all(unit.endswith(".\n") for unit in units(wrapped))
    turns = (
        "A: Is the order ready for collection?\nB: It will be ready tomorrow at noon.\nA: Good, I will come by to collect it then.\n"
    )
    assert units(turns) == turns.splitlines(keepends=True)


def test_small_pieces_join_within_their_block_only() -> None:
    assert units("Yes. No. Perhaps we will see about that tomorrow.\n\nAlas!\n\nNext.\n") == [
        "Yes. No. Perhaps we will see about that tomorrow.\n\n",
        "Alas!\n\n",
        "Next.\n",
    ]


def test_a_long_sentence_is_cut_at_a_clause() -> None:
    text = "word " * 60 + "and so on, " + "more " * 60
    assert [unit[-4:] for unit in units(text)] == ["on, ", "ore "]


def test_headings_of_markdown() -> None:
    text = "# A\n\ntext\n\n## B ##\n\ntext\n\nC\n===\n\ntext\n\n```\n# no heading\n```\n"
    assert paths(text, "text/markdown") == [("A",), ("A", "B"), ("C",)]
    assert units(text, "text/markdown")[0] == "# A\n\ntext\n\n"


def test_headings_of_restructuredtext() -> None:
    text = "=====\nTitle\n=====\n\ntext\n\nPart\n----\n\ntext\n\nDeep\n~~~~\n\ntext\n\nNext\n----\n\ntext\n"
    assert paths(text, "text/x-rst") == [("Title",), ("Title", "Part"), ("Title", "Part", "Deep"), ("Title", "Next")]


def test_rows_of_a_table_are_units() -> None:
    rows = [f"{number},a name of some length,and a place of some length too\n" for number in range(5)]
    assert units("".join(rows), "text/csv") == rows


PYTHON = '''"""About this module."""

import os


@wraps
# why
def first(a):
    """Say what it does. Then say a great deal more about it, at length."""
    return a


class Second:
    def method(self):
        return 1


last = 1
'''


def test_definitions_of_python() -> None:
    assert paths(PYTHON, "text/x-python") == [(), ("first",), ("Second",), ("Second", "method")]
    found = units(PYTHON, "text/x-python")
    header = next(unit for unit in found if "def first" in unit)
    assert header.startswith("@wraps")
    assert header.rstrip().endswith("Say what it does.")
    assert found[-1] == "last = 1\n"


DEFINITIONS = {
    "javascript": "class A {\n  run(x) {\n    return x;\n  }\n}\nfunction free(y) {\n  return y;\n}\n",
    "typescript": "export class A {\n  run(x: number) {\n    return x;\n  }\n}\nexport function free(y: string) {\n  return y;\n}\n",
    "tsx": "class A {\n  run() {\n    return <b/>;\n  }\n}\nfunction free() {\n  return <i/>;\n}\n",
    "java": "class A {\n  int run(int x) {\n    return x;\n  }\n}\nclass free {\n  int y;\n}\n",
    "go": "package p\n\ntype A struct {\n\tx int\n}\n\nfunc run() {\n\tprintln()\n}\n\nfunc free() {\n\tprintln()\n}\n",
    "rust": "struct A {\n    x: i32,\n}\n\nfn run() {\n    f();\n}\n\nfn free() {\n    f();\n}\n",
    "c": "struct A {\n  int x;\n};\nint run(int x) {\n  return x;\n}\nint *free(int y) {\n  return 0;\n}\n",
    "c++": "class A {\n  int run(int x) {\n    return x;\n  }\n};\nint free(int y) {\n  return y;\n}\n",
    "csharp": "class A {\n  int run(int x) {\n    return x;\n  }\n}\nclass free {\n  int y;\n}\n",
    "ruby": "class A\n  def run(x)\n    x\n  end\nend\n\ndef free(y)\n  y\nend\n",
    "php": "<?php\nclass A {\n  function run($x) {\n    return $x;\n  }\n}\nfunction free($y) {\n  return $y;\n}\n",
    "sh": "A() {\n  echo a\n}\n\nrun() {\n  echo x\n}\n\nfree() {\n  echo y\n}\n",
}


@pytest.mark.parametrize("name", DEFINITIONS)
def test_definitions_of_every_grammar(name: str) -> None:
    found = {path[-1] for path in paths(DEFINITIONS[name], f"text/x-{name}") if path}
    assert {"A", "run", "free"} <= found


def test_the_source_says_what_the_media_type_does_not() -> None:
    document = Document.of("def f():\n    return 1\n", "a/b.py")
    assert outline(document).paths == [("f",)]


def test_code_without_a_grammar_is_cut_at_blank_lines() -> None:
    text = "local a = 1\nlocal b = 2\n\nfunction f()\n  return a\nend\n"
    assert units(text, source="x.lua") == ["local a = 1\nlocal b = 2\n\n", "function f()\n  return a\nend\n"]
