"""Code cut along its syntax tree, measured in tokens."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import groupby, pairwise
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

from chunkwise.segment.fit import fit, last_separator
from chunkwise.segment.syntax import LEADS, characters, line_start, parse
from chunkwise.tokens import TokenOffsets
from chunkwise.units import Span

if TYPE_CHECKING:
    from tree_sitter import Node

_IMPORTS = frozenset(
    """
    import_statement import_from_statement future_import_statement import_declaration import_header use_declaration
    using_directive namespace_use_declaration preproc_include
    """.split()  # noqa: SIM905
)
_DEEPEST = 200  # nodes above one another that are each too large; below, code is no code, and is cut as prose is


class _Imports(NamedTuple):
    """Import statements that follow one another, to the walk a node like any other."""

    children: list[Node]

    @property
    def child_count(self) -> int:
        return len(self.children)

    @property
    def end_byte(self) -> int:
        return self.children[-1].end_byte


_Part: TypeAlias = "tuple[int, int, Node | _Imports]"  # where it begins, where the node's own line does, and the node


@dataclass(slots=True)
class _Frame:
    """A node too large for one chunk, whose children are being packed."""

    parts: list[_Part]
    end: int
    at: int = 0
    windows: list[int] = field(default_factory=list)  # where each window begins; it ends where the next one does


def along_syntax(text: str, grammar: str, offsets: TokenOffsets, size: int) -> list[Span]:
    """Spans that tile `text`, none above `size` tokens, no node cut that fits.

    Siblings fill a window greedily; a node that does not fit is packed by its children, and neighbouring windows
    under one parent are merged while they fit. What lies between two nodes goes with the first, comments and
    decorators on lines of their own with what follows; imports that follow one another are one node. A leaf that is
    too large is cut as prose is.
    """
    if not text:
        return []
    starts = offsets.starts.data

    def tokens(start: int, end: int) -> int:
        return bisect_left(starts, end) - bisect_left(starts, start)

    spans: list[Span] = []
    bounds = [*(_windows(text, grammar, size, tokens) or [0]), len(text)]
    for start, end in pairwise(bounds):
        spans.extend(fit(text, offsets, size, 0, last_separator, Span(start, end)))
    return spans


def _windows(text: str, grammar: str, size: int, tokens: Callable[[int, int], int]) -> list[int]:
    """Where the windows begin, in order. A walk with its own stack, for trees deeper than Python's."""
    character = characters(text)
    stack = [_Frame(_parts(text, parse(text, grammar).root_node, 0, character), len(text))]
    while True:
        frame = stack[-1]
        if frame.at == len(frame.parts):
            windows = _merged(frame.windows, frame.end, size, tokens)
            stack.pop()
            if not stack:
                return windows
            stack[-1].windows.extend(windows)
            continue
        start, own, node = frame.parts[frame.at]
        frame.at += 1
        end = frame.parts[frame.at][0] if frame.at < len(frame.parts) else frame.end
        if tokens(start, end) <= size or not node.child_count or len(stack) > _DEEPEST:
            frame.windows.append(start)
        elif tokens(own, stop := character(node.end_byte)) <= size:  # without what leads and follows it
            frame.windows.extend(dict.fromkeys((start, own, stop) if stop < end else (start, own)))
        else:
            stack.append(_Frame(_parts(text, node, start, character), end))


def _merged(windows: list[int], end: int, size: int, tokens: Callable[[int, int], int]) -> list[int]:
    """The windows with neighbours joined, from the left, while they fit."""
    merged: list[int] = []
    for start, stop in pairwise((*windows, end)):
        if not merged or tokens(merged[-1], stop) > size:
            merged.append(start)
    return merged


def _parts(text: str, node: Node | _Imports, start: int, character: Callable[[int], int]) -> list[_Part]:
    """The node's children with the place where each one's part begins; the first begins at `start`."""
    parts: list[_Part] = []
    led = False
    for child in node.children:
        at = character(child.start_byte)
        begins = line_start(text, at)
        own = max(start, begins if begins >= 0 else at)
        if led or not parts:
            parts[-1:] = [(parts[-1][0] if parts else start, own, child)]
        elif own > parts[-1][1]:
            parts.append((own, own, child))
        led = begins >= 0 and child.type.endswith(LEADS)
    return parts if isinstance(node, _Imports) else _imports_as_one(parts)


def _imports_as_one(parts: list[_Part]) -> list[_Part]:
    """The parts with each run of import statements made one."""
    joined: list[_Part] = []
    for imports, run in groupby(parts, lambda part: not isinstance(part[2], _Imports) and part[2].type in _IMPORTS):
        some = list(run)
        if imports and len(some) > 1:
            joined.append((*some[0][:2], _Imports([node for *_, node in some if not isinstance(node, _Imports)])))
        else:
            joined.extend(some)
    return joined
