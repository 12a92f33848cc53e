"""Notebooks to text: cells in order, code and text outputs fenced."""

from __future__ import annotations

import json
import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from chunkwise.errors import ReadError
from chunkwise.read.decode import sound
from chunkwise.read.layout import Layout, Reading
from chunkwise.units import LineMap

_string = re.compile(r'"(?:[^"\\]|\\.)*"', re.DOTALL)
_ansi = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
_heading = re.compile(r"^#{1,6}[ \t]+(.+?)[ \t#]*$", re.MULTILINE)


def read_notebook(raw: str, source: str) -> Reading:
    """The Markdown, code and text outputs of a notebook's cells in order, mapped to the lines of its JSON.

    A blank line stands between cells; code is fenced with the notebook's language, outputs with no language. The title
    is the notebook's own or its first heading. Raises ReadError when `raw` is no notebook.
    """
    try:
        notebook = json.loads(raw)
        cells = notebook.get("cells") or [cell for sheet in notebook.get("worksheets", []) for cell in sheet["cells"]]
        return _lay_out(notebook, cells, _Places(raw))
    except json.JSONDecodeError as error:
        raise ReadError(f"{source}:{error.lineno}: broken notebook, {error.msg}; save it again from Jupyter") from error
    except (AttributeError, KeyError, RecursionError, TypeError) as error:
        raise ReadError(f"{source}: not a notebook: its JSON has no cells as Jupyter writes them") from error


def _lay_out(notebook: dict[str, Any], cells: list[dict[str, Any]], places: _Places) -> Reading:
    about = notebook.get("metadata") or {}
    language = (about.get("language_info") or {}).get("name") or (about.get("kernelspec") or {}).get("language") or ""
    title = about.get("title") or ""
    layout = Layout()
    for cell in cells:
        kind = cell["cell_type"]
        key = "source" if "source" in cell else "input"
        source = _strings(cell.get(key))
        if kind == "code":
            _add(layout, source, places.of(key, source), fence=str(language))
            for key, output in _outputs(cell):
                _add(layout, output, places.of(key, output), fence="")
        else:
            _add(layout, source, places.of(key, source))
            title = title or next((found[1] for found in _heading.finditer("".join(source)) if kind == "markdown"), "")
        places.next_cell()
    return layout.reading(title=sound(" ".join(str(title).split())))


def _add(layout: Layout, strings: list[str], lines: list[int], fence: str | None = None) -> None:
    """Append one cell or output, each string with its line; a fence unless `fence` is None."""
    text = "".join(strings)
    if not text.strip():
        return
    layout.add("\n\n" if len(layout) else "")
    ticks = "`" * max(3, 1 + max(map(len, re.findall("`+", text)), default=0)) if fence is not None else ""
    if fence is not None:
        layout.add(f"{ticks}{fence}\n", lines[0])
    end = max(at for at, string in enumerate(strings) if string.strip("\n"))
    for at, line in enumerate(lines[: end + 1]):
        string = sound(_ansi.sub("", strings[at]))
        layout.add(string if at < end else string.rstrip("\n"), line)
    if fence is not None:
        layout.add(f"\n{ticks}")


def _outputs(cell: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    """The text outputs of a code cell, each with the JSON key that it stands under."""
    for output in cell.get("outputs") or ():
        data = output.get("data") or {}
        if "text" in output:
            yield "text", _strings(output["text"])
        elif "text/plain" in data:
            yield "text/plain", _strings(data["text/plain"])
        elif "ename" in output:
            yield "evalue", [f"{output['ename']}: ", str(output.get("evalue", ""))]


def _strings(value: Any) -> list[str]:
    strings = [value] if isinstance(value, str) else list(value or ())
    "".join(strings)  # TypeError for anything but strings
    return strings


class _Places:
    """Where the strings of a JSON text stand; cells are asked for in order."""

    def __init__(self, raw: str) -> None:
        self._lines = LineMap.of_text(raw)
        self._offsets: defaultdict[str, list[int]] = defaultdict(list)
        for found in _string.finditer(raw):
            token = found[0]
            value = json.loads(token, strict=False) if "\\" in token else token[1:-1]
            self._offsets[value].append(found.start())
        self._cell = 0
        self._furthest = 0
        self._output = 0

    def of(self, key: str, strings: list[str]) -> list[int]:
        """The line of each string of the value under `key`, in the cell at hand."""
        at = self._find(key, self._cell if key in ("source", "input") else self._output)
        lines = []
        for string in strings:
            at = self._find(string, at)
            lines.append(self._lines.at(at))
        self._furthest = max(self._furthest, at)
        if key not in ("source", "input"):
            self._output = at
        return lines

    def next_cell(self) -> None:
        """Go on to the next cell."""
        self._cell = self._output = self._furthest

    def _find(self, string: str, after: int) -> int:
        """The first place of the string beyond `after`; `after` itself where there is none."""
        offsets = self._offsets.get(string, ())
        index = bisect_left(offsets, after + 1)
        return offsets[index] if index < len(offsets) else after
