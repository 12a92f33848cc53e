"""Every set's adapter on a tiny set laid out alike, and a user's own questions."""

from __future__ import annotations

import ast
import gzip
import hashlib
import json
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkwise.errors import SkippedWarning, UserError
from chunkwise.evaluate import Dataset, Evidence
from chunkwise.evaluate.sets import SETS, load, own
from chunkwise.evaluate.sets.code import code_spans_stdlib
from chunkwise.evaluate.sets.quotes import places
from chunkwise.evaluate.spans import span_scores
from chunkwise.units import Document, Span


def write(path: Path, *rows: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    data = "".join(json.dumps(row) + "\n" for row in rows).encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)


def span(text: str, part: str) -> dict[str, Any]:
    start = text.index(part)
    return {"start": start, "end": start + len(part), "text": part}


def shown(dataset: Dataset, evidence: tuple[Evidence, ...]) -> list[str]:
    texts = {document.source: document.text for document in dataset.documents}
    return [texts[part.source][slice(*part.span)] for part in evidence]


PAPER = "The na\u00efve cat \U0001f431 sat.\r\nIt slept for nine hours."


def chroma_chunking(data: Path) -> None:
    (data / "corpus_cats.md").write_bytes(PAPER.encode())
    row = {"corpus": "cats", "question": "how long?", "span_ok": True}
    bad = {**row, "spans": [{"start": 0, "end": 3}], "span_ok": False}
    write(data / "questions.jsonl", {**row, "spans": [span(PAPER, "nine hours"), span(PAPER, "cat \U0001f431")]}, bad)


def answers(docs: str) -> Callable[[Path], None]:
    def lay(data: Path) -> None:
        write(data / docs, {"id": "p1", "text": PAPER}, {"id": "p2", "text": ""})
        write(data / "questions.jsonl", {"doc": "p1", "question": "how long?", "spans": [span(PAPER, "nine hours")]})

    return lay


def nq_passages(data: Path) -> None:
    write(data / "passages.jsonl.gz", {"id": "n1", "title": "Cats", "text": "Cats sleep. Cats purr."})
    spoken = {"question": "who purrs?", "answers": ["Cats", "cats"], "gold": ["n1"]}
    silent = {"question": "what barks?", "answers": ["dogs"], "gold": ["n1"]}
    write(data / "questions.jsonl.gz", spoken, silent)


def multihop(data: Path) -> None:
    both = {"title": "A", "sentences": ["One.", " Two.", " Three."], "support": [1]}
    write(data / "hotpot.jsonl", {"question": "2?", "answer": "Two", "paragraphs": [both, {**both, "support": []}]})
    paragraphs = [{"title": "B", "text": "Bee.", "support": True}, {"title": "C", "text": "Sea.", "support": False}]
    write(data / "musique.jsonl.gz", {"question": "b?", "answer": "Bee", "aliases": ["bee"], "paragraphs": paragraphs})
    others = [{"title": "D", "text": "Dee."}, {"title": "C", "text": "Sea."}]
    write(data / "distractors_2wiki.jsonl.gz", *others)


def cranfield(data: Path) -> None:
    write(
        data / "docs.jsonl.gz",
        *({"id": name, "title": "t", "author": "a", "text": text} for name, text in (("1", "wings"), ("2", ""))),
    )
    write(data / "queries.jsonl", {"id": "1", "text": "wings?", "qrels": {"1": 3, "2": -1}})


def long_docs_leval(data: Path) -> None:
    write(
        data / "quality.jsonl",
        {"id": "q0", "task": "quality", "document": "long", "qa": [{"question": "A or B?", "answer": "A"}]},
    )
    write(
        data / "sci_fi.jsonl.gz",
        {"id": "s0", "task": "sci_fi", "document": "long", "qa": [{"question": "so?", "answer": "True [fact: False]"}]},
    )


def chapter_boundaries(data: Path) -> None:
    text = "One.\n\nTwo."
    parts = [{"start": 0, "heading": "I"}, {"start": 6, "heading": "II"}]
    write(data / "books.jsonl.gz", {"id": "b", "title": "B", "author": "x", "text": text, "boundaries": parts})


MARKDOWN = """# Top

Words.

```python
# not a heading
| a | b |
| - | - |
```

## *Second*

| a | b |
| - | - |
| 1 | 2 |

End | of it.
"""


def layout_docs(data: Path) -> None:
    (data / "a.html").write_text("<h1>Top of</h1><p>Some words.</p><h2>Second</h2><p>More words.</p>")
    (data / "a.html.gold.md").write_text("# Top   of\n\nSome words.\n\n## **Second**\n\n## Not there\n")
    (data / "b.md").write_text(MARKDOWN)
    (data / "b.md.gold.md").write_text("")
    (data / "c.pdf").write_bytes(b"%PDF-1.4 broken")
    (data / "c.pdf.gold.md").write_text("")
    write(data / "index.jsonl", *({"file": name, "gold_md": f"{name}.gold.md"} for name in ("a.html", "b.md", "c.pdf")))
    write(data / "md_docs.jsonl.gz", {"id": "x/y.md", "text": MARKDOWN}, {"id": "x/z.rst", "text": "Z\n=\n"})


LAYOUTS = {
    "chroma_chunking": chroma_chunking,
    "squad_xquad_en": answers("docs.jsonl"),
    "covid_qa": answers("docs.jsonl.gz"),
    "nq_passages": nq_passages,
    "multihop": multihop,
    "cranfield": cranfield,
    "long_docs_leval": long_docs_leval,
    "chapter_boundaries": chapter_boundaries,
    "layout_docs": layout_docs,
}


@pytest.fixture
def data(tmp_path: Path) -> Path:
    for name, lay in LAYOUTS.items():
        (tmp_path / name).mkdir()
        lay(tmp_path / name)
    return tmp_path


@pytest.mark.filterwarnings("ignore::chunkwise.errors.SkippedWarning")
@pytest.mark.parametrize("name", [name for name in SETS if name != "code_spans_stdlib"])
def test_every_set_stands_on_its_documents(name: str, data: Path) -> None:
    found = load(name, data)
    texts = {document.source: document.text for document in found.documents}
    assert found.name == name
    assert len(texts) == len(found.documents) > 0
    for question in found.questions:
        assert all(shown(found, gold) and all(shown(found, gold)) for gold in (question.evidence,) if gold)
        assert question.relevant.keys() <= texts.keys()
        assert not question.evidence or span_scores(question.evidence, question).recall == 1
    assert all(0 < at < len(texts[source]) for source, cuts in found.boundaries.items() for at in cuts)
    assert load(name, str(data)) == found


def test_chroma_keeps_offsets_that_hold(data: Path) -> None:
    (question,) = load("chroma_chunking", data).questions
    assert shown(load("chroma_chunking", data), question.evidence) == ["nine hours", "cat \U0001f431"]
    assert question.group == "cats"


@pytest.mark.parametrize("name", ["squad_xquad_en", "covid_qa"])
def test_answers_in_documents(name: str, data: Path) -> None:
    found = load(name, data)
    (question,) = found.questions
    assert shown(found, question.evidence) == list(question.answers) == ["nine hours"]
    assert question.relevant == {"p1": 1}


def test_passages_and_answers_in_them(data: Path) -> None:
    passages, spelt = load("nq_passages", data), load("nq_answers", data)
    assert [shown(passages, question.evidence) for question in passages.questions] == [["Cats sleep. Cats purr."]] * 2
    (question,) = spelt.questions
    assert question.evidence == (Evidence("n1", Span(6, 10)),)  # not the Cats of the title
    assert question.alternatives == ((Evidence("n1", Span(18, 22)),),)


def test_supporting_sentences_and_paragraphs(data: Path) -> None:
    found = load("multihop", data)
    hotpot, musique = found.questions
    assert shown(found, hotpot.evidence) == [" Two."]
    assert shown(found, musique.evidence) == ["Bee."]
    assert (hotpot.group, musique.group, musique.answers) == ("hotpot", "musique", ("Bee", "bee"))
    assert [document.text[0] for document in found.documents] == list("ABCD")  # what two share is one document


def test_judged_documents(data: Path) -> None:
    (question,) = load("cranfield", data).questions
    assert question.relevant == {"1": 1}
    found = load("long_docs_leval", data)
    assert [question.answers for question in found.questions] == [("A",), ("True",)]
    assert [dict(question.relevant) for question in found.questions] == [{"q0": 1}] * 2


def test_parts(data: Path) -> None:
    assert load("chapter_boundaries", data).boundaries == {"b": (6,)}
    with pytest.warns(SkippedWarning, match=r"c\.pdf"):
        found = load("layout_docs", data)
    texts = {document.source: document.text for document in found.documents}
    assert [texts["a.html"][at:].split("\n")[0].lstrip("# ") for at in found.boundaries["a.html"]][-1] == "Second"
    for name in ("b.md", "x/y.md"):
        assert [texts[name][at:].split("\n")[0] for at in found.boundaries[name]] == ["## *Second*"]
        fenced, table = (texts[name][slice(*whole)] for whole in found.wholes[name])
        assert fenced.startswith("```python")
        assert fenced.endswith("```\n")
        assert table == "| a | b |\n| - | - |\n| 1 | 2 |\n"
    assert "x/z.rst" not in found.boundaries


MODULE = '''"""The module's own stays."""

@decorated(
    "x")
class Caf\u00e9:
    """Caf\u00e9 class \U0001f600.

    More.
    """

    def says(self): "Says so."; return "\u00e9"

    def silent(self):
        """Not asked with."""


async def last():
    r"""Goes last."""
'''


@pytest.fixture
def library(tmp_path: Path) -> Path:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "m.py").write_bytes(MODULE.encode())
    spans = {
        "Caf\u00e9": span(MODULE, MODULE[MODULE.index("@dec") : MODULE.index("\n\n\nasync")]),
        "says": span(MODULE, '    def says(self): "Says so."; return "\u00e9"'),
        "silent": span(MODULE, '    def silent(self):\n        """Not asked with."""'),
        "last": span(MODULE, 'async def last():\n    r"""Goes last."""'),
    }
    rows = [
        {"file": "m.py", "kind": "x", "span": [s["start"], s["end"]], "query": None if name == "silent" else name}
        for name, s in spans.items()
    ]
    write(tmp_path / "code_spans_stdlib" / "definitions.jsonl.gz", *rows)
    true = {"file": "m.py", "sha256": hashlib.sha256(MODULE.encode()).hexdigest()}
    write(tmp_path / "code_spans_stdlib" / "files.jsonl", true, {"file": "gone.py", "sha256": "0"})
    return tmp_path


def test_docstrings_that_ask_are_taken_out(library: Path) -> None:
    with pytest.warns(SkippedWarning, match=r"1 files of another version left out: gone\.py"):
        found = code_spans_stdlib(library / "code_spans_stdlib", library / "lib")
    (document,) = found.documents
    ast.parse(document.text)
    assert "The module's own" in document.text
    assert "Not asked with" in document.text
    assert not any(said in document.text for said in ("class \U0001f600", "Says so", "Goes last"))
    asked = {question.text: shown(found, question.evidence)[0] for question in found.questions}
    assert asked["says"] == '    def says(self): ""; return "\u00e9"'
    assert asked["last"] == 'async def last():\n    ""'
    assert asked["Caf\u00e9"].startswith('@decorated(\n    "x")\nclass Caf\u00e9:\n    ""\n')
    assert asked["Caf\u00e9"].endswith('"""Not asked with."""')
    assert len(found.wholes["m.py"]) == 4
    assert {whole.start for whole in found.wholes["m.py"]} == set(found.boundaries["m.py"])


def test_another_python_is_an_error(library: Path) -> None:
    (library / "lib" / "m.py").write_text("other = 1\n")
    with pytest.raises(UserError, match=r"use CPython 3\.11\.7"):
        code_spans_stdlib(library / "code_spans_stdlib", library / "lib")


@pytest.mark.parametrize(
    ("name", "folder", "message"),
    [
        ("chroma", "", r"no set and no file 'chroma': (did you mean|name one of)"),
        ("covid_q", "", r"did you mean covid_qa\?"),
        ("covid_qa", "elsewhere", r"no such folder; give the folder that holds covid_qa as --data"),
        ("covid_qa", None, r"say which with --data"),
    ],
)
def test_sets_that_are_not_there(name: str, folder: str | None, message: str, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=message):
        load(name, None if folder is None else tmp_path / folder)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "docs.jsonl").unlink(), r"docs\.jsonl: cannot be read"),
        (
            lambda folder: (folder / "docs.jsonl").write_text('{"id": 1, "text": ""}\n{broken'),
            r"docs\.jsonl line 2: no JSON",
        ),
        (lambda folder: (folder / "docs.jsonl").write_text("[]"), r"docs\.jsonl line 1: a JSON object"),
        (lambda folder: (folder / "docs.jsonl").write_text('{"id": "p1"}'), r"squad_xquad_en: a row is not .*'text'"),
        (lambda folder: (folder / "docs.jsonl").write_bytes(b"\xff\xfe"), r"docs\.jsonl: cannot be read"),
    ],
)
def test_damaged_sets(damage: Callable[[Path], None], message: str, data: Path) -> None:
    damage(data / "squad_xquad_en")
    with pytest.raises(UserError, match=message):
        load("squad_xquad_en", data)


def test_a_damaged_archive(data: Path) -> None:
    path = data / "covid_qa" / "docs.jsonl.gz"
    path.write_bytes(path.read_bytes()[:-9])
    with pytest.raises(UserError, match=r"docs\.jsonl\.gz: cannot be read"):
        load("covid_qa", data)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "docs" / "guide").mkdir(parents=True)
    (tmp_path / "docs" / "guide" / "refunds.md").write_bytes(b"# Refunds\r\n\r\nWithin fourteen\r\ndays.\r\n")
    (tmp_path / "docs" / "faq.txt").write_text("Yes. No. Yes. \U0001f600 \u0646\u0639\u0645")
    (tmp_path / "docs" / "image.bin").write_bytes(b"\x00\x01" * 50)
    return tmp_path / "docs"


def quoted(source: str, quote: str, question: str = "when?", **more: Any) -> dict[str, Any]:
    return {"question": question, "evidence": [{"source": source, "quote": quote}], **more}


@pytest.mark.filterwarnings("ignore::chunkwise.errors.SkippedWarning")
def test_own_questions(folder: Path) -> None:
    write(
        folder / "questions.jsonl",
        quoted("guide/refunds.md", "fourteen days.", answers=["14 days"], group="money"),
        quoted("refunds.md", "Refunds"),
        quoted("faq.txt", "Yes"),
        {"question": "a smile?", "evidence": [{"source": "faq.txt", "start": 14, "end": 15}]},
    )
    found = load(folder / "questions.jsonl")
    assert sorted(document.source for document in found.documents) == ["faq.txt", "guide/refunds.md"]
    assert [shown(found, question.evidence) for question in found.questions] == [
        ["fourteen\r\ndays."],
        ["Refunds"],
        ["Yes"],
        ["\U0001f600"],
    ]
    first, _, ambiguous, _ = found.questions
    assert (first.answers, first.group) == (("14 days",), "money")
    assert ambiguous.alternatives == ((Evidence("faq.txt", Span(9, 12)),),)


def test_own_questions_beside_another_folder(folder: Path, tmp_path: Path) -> None:
    write(tmp_path / "mine.jsonl", quoted("./guide/refunds.md", "Within"))
    with pytest.warns(SkippedWarning, match=r"image\.bin"):
        assert len(load(str(tmp_path / "mine.jsonl"), folder).questions) == 1


def test_what_is_not_found_is_named_by_its_line(tmp_path: Path) -> None:
    documents = [Document.of("Here it is.", "a/x.txt"), Document.of("Here too.", "b/x.txt")]
    write(
        tmp_path / "q.jsonl",
        quoted("a/x.txt", "Here"),
        quoted("a/x.txt", "nowhere to be seen"),
        quoted("x.txt", "Here"),
        quoted("z.txt", "Here"),
        quoted("a/x.txt", " \n "),
        {"question": "?", "evidence": [{"source": "a/x.txt", "start": 3, "end": 99}]},
    )
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        found = own(tmp_path / "q.jsonl", documents)
    said = [str(each.message) for each in heard]
    assert len(found.questions) == 1
    assert [f"line {n}:" in message for n, message in enumerate(said, 2)] == [True] * 5
    assert "'nowhere to be seen' is not in a/x.txt" in said[0]
    assert "2 documents end in 'x.txt'" in said[1]
    assert "there is no document 'z.txt'" in said[2]
    assert "3 to 99 is no span" in said[4]


@pytest.mark.filterwarnings("ignore::chunkwise.errors.SkippedWarning")
@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({}, "line 1: a question and a list of evidence"),
        ({"question": "?", "evidence": []}, "line 1: a question and a list"),
        ({"question": "?", "evidence": ["x"]}, 'line 1: evidence needs "source"'),
        ({"question": "?", "evidence": [{"source": "a", "quote": 3}]}, 'line 1: evidence needs "source"'),
        (quoted("a", "x", answers="yes"), 'line 1: "answers" must be a list'),
        (quoted("a", "not there"), "no question is left to score; .* line 1: .* 'not there' is not in a"),
    ],
)
def test_own_rows_of_another_form(row: dict[str, Any], message: str, tmp_path: Path) -> None:
    write(tmp_path / "q.jsonl", row)
    with pytest.raises(UserError, match=message):
        own(tmp_path / "q.jsonl", [Document.of("x", "a")])


def test_no_questions_and_no_documents(tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text("\n\n")
    with pytest.raises(UserError, match="no question that can be scored"):
        own(tmp_path / "q.jsonl", [Document.of("x", "a")])
    with pytest.raises(UserError, match="no documents to ask about"):
        load(tmp_path / "q.jsonl")


def test_many_places_of_many_quotes_are_bounded(tmp_path: Path) -> None:
    evidence = [{"source": "a", "quote": "x"}] * 6
    write(tmp_path / "q.jsonl", {"question": "?", "evidence": evidence})
    (question,) = own(tmp_path / "q.jsonl", [Document.of("x " * 50, "a")]).questions
    assert len(question.alternatives) < 100


@given(st.text(), st.integers(0, 20), st.integers(1, 20))
def test_a_piece_of_a_text_is_found_in_it(text: str, start: int, length: int) -> None:
    quote = text[start : start + length]
    found = list(places(text, quote))
    assert bool(found) == bool(quote.strip())
    assert all(text[slice(*place)] == quote for place in found)
    if quote.strip():
        assert found[0].start == text.index(quote)


@given(st.lists(st.sampled_from(["a", "(b", "c.", "\u00e9\U0001f600", "\ud800"]), min_size=1, max_size=6), st.data())
def test_a_quote_is_found_whatever_its_blanks(words: list[str], data: st.DataObject) -> None:
    blanks = st.sampled_from([" ", "\n", "\r\n", "\t \u00a0", "\u3000"])
    written, copied = ("".join(word + data.draw(blanks) for word in words) for _ in range(2))
    assert any(place.start == 0 for place in places(written, copied.strip()))
