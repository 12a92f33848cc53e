"""Notebooks as text, with the JSON line of every cell."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkwise.errors import ReadError
from chunkwise.read import parse
from chunkwise.units import Document

CELLS = [
    {"cell_type": "markdown", "metadata": {}, "source": ["# Ducks #\n", "\n", "On *ponds*."]},
    {
        "cell_type": "code",
        "metadata": {},
        "execution_count": 1,
        "outputs": [
            {"name": "stdout", "output_type": "stream", "text": ["quack\n", "\x1b[31mquack\x1b[0m\n"]},
            {"output_type": "display_data", "data": {"image/png": "iVBORw0KGgo="}, "metadata": {}},
            {"output_type": "execute_result", "data": {"text/html": "<b>3</b>", "text/plain": ["3"]}, "metadata": {}},
            {"output_type": "error", "ename": "ValueError", "evalue": "no duck", "traceback": ["long"]},
        ],
        "source": ["print('quack')\n", "1 + 2"],
    },
    {"cell_type": "code", "metadata": {}, "outputs": [], "source": []},
    {"cell_type": "raw", "metadata": {}, "source": "print('quack')\n"},
]

TEXT = """# Ducks #

On *ponds*.

```python
print('quack')
1 + 2
```

```
quack
quack
```

```
3
```

```
ValueError: no duck
```

print('quack')"""


def notebook(cells: object, indent: int | None = 1, **metadata: object) -> str:
    return json.dumps({"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}, indent=indent)


def load(raw: str) -> Document:
    return parse(raw.encode("utf-8", "surrogatepass"), "a.ipynb")


def test_cells_in_order() -> None:
    document = load(notebook(CELLS, language_info={"name": "python"}))
    assert document.text == TEXT
    assert document.metadata == {"title": "Ducks"}


def test_lines() -> None:
    raw = notebook(CELLS, kernelspec={"language": "python"})
    document = load(raw)
    lines = raw.split("\n")

    def at(word: str, last: bool = False) -> str:
        offset = document.text.rindex(word) if last else document.text.index(word)
        return lines[document.lines.at(offset) - 1].strip()

    assert at("# Ducks") == '"# Ducks #\\n",'
    assert at("On *ponds*") == '"On *ponds*."'
    assert at("print(") == "\"print('quack')\\n\","
    assert at("1 + 2") == '"1 + 2"'
    assert at("quack\nquack") == '"quack\\n",'
    assert at("3") == '"3"'
    assert at("no duck") == '"evalue": "no duck",'
    assert at("print(", last=True) == '"source": "print(\'quack\')\\n"'


def test_one_line_and_escaped_json() -> None:
    cells = [{"cell_type": "markdown", "source": ["Straße 🦆\n", "שלום"]}, {"cell_type": "code", "source": "x = '```'"}]
    document = load(notebook(cells, indent=None))
    assert document.text == "Straße 🦆\nשלום\n\n````\nx = '```'\n````"
    assert set(document.lines.numbers) == {1}


def test_older_notebooks() -> None:
    cell = {"cell_type": "code", "language": "python", "input": ["x = 1"], "outputs": [{"text": "1"}]}
    assert load(json.dumps({"worksheets": [{"cells": [cell]}]})).text == "```\nx = 1\n```\n\n```\n1\n```"


def test_lone_surrogates_are_replaced() -> None:
    assert load('{"cells": [{"cell_type": "markdown", "source": "a\\ud800b"}]}').text == "a\ufffdb"


def test_empty_notebook() -> None:
    assert load(notebook([])).text == ""


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (notebook(CELLS)[:200], r"a\.ipynb:\d+: broken notebook"),
        ("", "broken notebook"),
        ("[]", "not a notebook"),
        ("3", "not a notebook"),
        ('{"cells": [3]}', "not a notebook"),
        ('{"cells": [{"source": "x"}]}', "not a notebook"),
        ('{"cells": [{"cell_type": "code", "source": [1]}]}', "not a notebook"),
        ('{"cells": {"a": 1}}', "not a notebook"),
        ("[" * 100_000, "not a notebook"),
    ],
)
def test_broken(raw: str, message: str) -> None:
    with pytest.raises(ReadError, match=message):
        load(raw)


@given(
    st.lists(st.lists(st.text(max_size=12).map(lambda line: line.replace("\n", " ") + "\n"), max_size=4), max_size=4)
)
def test_any_source_is_kept(sources: list[list[str]]) -> None:
    document = load(notebook([{"cell_type": "raw", "source": source} for source in sources]))
    kept = ["".join(source).rstrip("\n") for source in sources if "".join(source).strip()]
    assert document.text == "\n\n".join(kept) or any("\x1b" in source for source in kept)
