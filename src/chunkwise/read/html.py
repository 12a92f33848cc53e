"""HTML to readable text: headings as Markdown, paragraphs, list items, table rows, code kept verbatim."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from html import unescape
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

from chunkwise.read.layout import Layout, Reading
from chunkwise.units import Element, LineMap, Span

if TYPE_CHECKING:
    from selectolax.lexbor import LexborHTMLParser, LexborNode

_raw = frozenset(
    ("script", "style", "noscript", "template", "iframe", "object", "svg", "math", "canvas", "video", "audio")
)
_unread = "head, nav, select, datalist, button, [hidden], [role=navigation], a.headerlink"
_blocks = frozenset(
    """
    address article aside blockquote body caption center dd details dialog div dl dt fieldset figcaption figure footer
    form h1 h2 h3 h4 h5 h6 header hgroup hr html legend li main ol p pre section summary table tbody td tfoot th thead
    tr ul
    """.split()  # noqa: SIM905
)
_headings = {f"h{level}": "#" * level + " " for level in range(1, 7)}
_structure = "table, h1, h2, h3, h4, h5, h6, p ~ p"  # what makes a table row a page layout and no row of values
_token = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style|noscript|template|iframe|object|svg|math|canvas|video|audio)\b.*?(?:</\1\s*>|\Z)"
    r"|<[a-zA-Z/!?][^>]*(?:>|\Z)|(?P<text>[^<]+|<)",
    re.DOTALL | re.IGNORECASE,
)
_code_language = re.compile(r"(?:language|lang|highlight)-(?:source-)?([\w+#-]+)")
_lookahead = 64  # texts of the source that are tried before a text of the tree is taken to be none of them
_LINE, _WIDE, _INDENT = 12.0, 468.0, 18.0  # points: a line's height, the column's width, a list's indentation
_COLUMNS = 80  # characters that a line of the column is taken to hold
_break = "\0"  # stands for <br>: no NUL comes out of an HTML parser


class Piece(NamedTuple):
    """Some characters of a block, and the source line they stand on."""

    text: str
    line: int


def read_html(source: str) -> Reading:
    """The readable text of an HTML page, with each piece of text mapped to its line in `source`.

    Headings become `#` headings, blocks stand apart by a blank line, items are `- ` or `1. ` lines, table rows are
    `a | b` lines, `pre` is fenced and kept to the character. Scripts, styles, navigation and hidden parts are left out.
    A row that holds tables, headings or paragraphs is page layout, and its cells are read as blocks. Each block, item
    and row is an element, boxed as it stands in this text: one column of lines, items indented. What the page's style
    sheets make of it is not known.
    """
    from selectolax.lexbor import LexborHTMLParser

    tree = LexborHTMLParser(source)
    title = tree.css_first("title")
    page = _Page(tree, _SourceLines(source))
    if tree.root is not None:
        page.read(tree.root)
    return page.layout.reading(title=" ".join(title.text().split()) if title is not None else "")


class _SourceLines:
    """Finds the line of each text of the tree, in order: the parser keeps no positions.

    The texts of the tree are those between the tags of the source, so both are stepped through together.
    """

    def __init__(self, source: str) -> None:
        self._lines = LineMap.of_text(source)
        self._texts = [
            (found.start() + len(text) - len(text.lstrip()), _start_of(unescape(text.lstrip()[:200])))
            for found in _token.finditer(source)
            if (text := found["text"] or "") and not text.isspace()
        ]
        self._next = 0

    def find(self, text: str) -> int:
        """The line where `text`, the next text of the tree that is not blank, begins."""
        start = _start_of(text)
        near = self._texts[self._next : self._next + _lookahead]
        same = (ahead for ahead, (_, text) in enumerate(near) if text == start)
        # The parser joins texts between which it dropped a tag: then only the first of them is to be found.
        begins = (ahead for ahead, (_, text) in enumerate(near) if start.startswith(text.rstrip()))
        for ahead in chain(same, begins):
            self._next += ahead + 1
            return self._lines.at(near[ahead][0])
        last = min(self._next, len(self._texts) - 1)
        return self._lines.at(self._texts[last][0]) if self._texts else 1


def _start_of(text: str) -> str:
    """The first characters of a text's first line: enough to know it by."""
    return text.lstrip()[:24].split("\r", 1)[0].split("\n", 1)[0]


class _Page:
    """One walk over the tree, with the block under construction and what it stands in."""

    def __init__(self, tree: LexborHTMLParser, source: _SourceLines) -> None:
        self.layout = Layout()
        self._source = source
        self._line = 1  # of the source, where the walk is
        self._unread = {node.mem_id for node in tree.css(_unread)}
        self._muted = 0  # how many unread elements we are in; their texts are stepped over in the source, too
        self._block: list[Piece] = []
        self._prefix = ""
        self._pre = False
        self._row = False  # in a table row of values, where inner blocks are mere spaces
        self._cells = 0
        self._lists: list[int] = []  # for each list we are in the number of its next item, 0 for bullets
        self._groups = 0
        self._group = 0  # of the list or table we are in: its blocks stand on consecutive lines; 0 is none
        self._last_group = 0
        self._after_term = False
        self._cut_row = False  # the block under construction is a row of values that has just ended
        self._top = 0  # lines laid out

    def read(self, root: LexborNode) -> None:
        """Lay out the tree below `root`; iterative, since real pages nest deeper than Python's stack."""
        path: list[LexborNode] = []
        node: LexborNode | None = root
        while node is not None:
            tag = node.tag or ""
            child = None
            if tag == "-text":
                self._text(node.text_content or "")
            elif tag not in _raw:
                self._enter(node, tag)
                child = node.first_child
                if child is None:
                    self._leave(node, tag)
            if child is not None:
                path.append(node)
                node = child
                continue
            while node is not None and node.next is None:
                node = path.pop() if path else None
                if node is not None:
                    self._leave(node, node.tag or "")
            node = node.next if node is not None else None
        self._flush()

    def _text(self, text: str) -> None:
        if not text.isspace():
            self._line = self._source.find(text) - text.count("\n", 0, len(text) - len(text.lstrip()))
        if not self._muted:
            above, *lines = text.split("\n")
            self._put(above)
            for line in lines:
                self._put("\n")
                self._line += 1
                self._put(line)
        elif not text.isspace():
            self._line += text.count("\n")

    def _put(self, text: str) -> None:
        if text and not self._muted:
            self._block.append(Piece(text, self._line))

    def _enter(self, node: LexborNode, tag: str) -> None:
        if node.mem_id in self._unread:
            self._muted += 1
        if tag in _blocks:
            self._edge(tag)
        if tag in _headings:
            self._prefix = _headings[tag]
        elif tag == "pre":
            self._pre = not self._row
        elif tag in ("ul", "ol", "table"):
            self._groups += not self._lists
            self._group = self._groups
            if tag != "table":
                self._lists.append(_first_number(node) if tag == "ol" else 0)
        elif tag == "li":
            self._prefix = self._marker()
        elif tag == "tr":
            self._row, self._cells = node.css_first(_structure) is None, 0
            self._group = self._groups if self._row or self._lists else 0
        elif tag in ("td", "th") and self._row:
            self._put(" | " if self._cells else "")
            self._cells += 1
        elif tag == "br":
            self._put(" " if self._row or self._prefix in _headings.values() else _break)
        elif tag == "img" and (described := node.attributes.get("alt")):
            self._put(f" {described} ")

    def _leave(self, node: LexborNode, tag: str) -> None:
        if tag == "tr" and self._row:
            self._row, self._cut_row = False, True
            if not any(piece.text.strip(" |\n\t") for piece in self._block):
                self._block.clear()
        if tag in _blocks:
            self._edge(tag, _code_of(node) if tag == "pre" else "")
        if tag == "pre":
            self._pre = False
        elif tag in ("ul", "ol", "table"):
            if tag != "table":
                self._lists.pop()
            self._group = self._groups if self._lists else 0
        elif tag == "li" or tag in _headings:
            self._prefix = ""
        elif tag == "dt":
            self._after_term = True
        if node.mem_id in self._unread:
            self._muted -= 1

    def _marker(self) -> str:
        indent = "  " * (len(self._lists) - 1)
        if not self._lists or not self._lists[-1]:
            return f"{indent}- "
        self._lists[-1] += 1
        return f"{indent}{self._lists[-1] - 1}. "

    def _edge(self, tag: str, language: str = "") -> None:
        """Where an element begins or ends that stands as a block of its own."""
        if self._row:
            self._put(" ")
        elif self._pre and tag != "pre":
            self._put("" if self._block and self._block[-1].text.endswith("\n") else "\n")
        else:
            self._flush(language)

    def _flush(self, language: str = "") -> None:
        """Lay out the block under construction, if it holds any word, apart from the block before it."""
        pieces = list(_verbatim(self._block, language) if self._pre else _flowing(self._block))
        self._block.clear()
        cut_row, self._cut_row = self._cut_row, False
        if not pieces:
            return
        if len(self.layout):
            close = self._after_term or 0 < self._group == self._last_group
            self.layout.add("\n" if close else "\n\n")
            self._top += 0 if close else 1
        indent = "" if self._pre else "  " * len(self._lists)
        start = len(self.layout)
        self.layout.add(self._prefix or indent, pieces[0].line)
        for piece in pieces:
            self.layout.add(*piece)
        heading = self._prefix in _headings.values()
        kind = "table" if cut_row else "heading" if heading else "code" if self._pre else "list" if self._lists else ""
        self._place(Span(start, len(self.layout)), sum(text.count("\n") for text, _ in pieces), kind or "text")
        self._prefix, self._after_term, self._last_group = "", False, self._group

    def _place(self, span: Span, breaks: int, kind: str) -> None:
        """Note the element just laid out, in lines of _LINE points and _WIDE points of width."""
        lines = breaks + 1 + (span.end - span.start) // _COLUMNS
        left = _INDENT * len(self._lists)
        box = (left, _LINE * self._top, _WIDE, _LINE * (self._top + lines))
        self.layout.place(Element(span, 1, box, kind))
        self._top += lines


def _flowing(block: Iterable[Piece]) -> Iterator[Piece]:
    """The words of a block with single spaces between them, and a line break for each <br> between words."""
    gap, begun = "", False
    for text, line in block:
        words = text.split()
        if text == _break:
            gap = "\n"
        elif not words:
            gap = gap or " "
        else:
            gap = gap or (" " if text[0].isspace() else "")
            yield Piece((gap if begun else "") + " ".join(words), line)
            gap, begun = " " if text[-1].isspace() else "", True


def _verbatim(block: Sequence[Piece], language: str) -> Iterator[Piece]:
    """A block to the character between code fences, without the blank lines that it begins and ends with."""
    filled = [at for at, piece in enumerate(block) if not piece.text.isspace() and piece.text != _break]
    if not filled:
        return
    first = filled[0]
    while first and "\n" not in block[first - 1].text and block[first - 1].text != _break:
        first -= 1  # the indentation of the first line
    code = [Piece("\n" if text == _break else text, line) for text, line in block[first : filled[-1] + 1]]
    ticks = max(map(len, re.findall("`+", "".join(text for text, _ in code))), default=0)
    fence = "`" * max(3, ticks + 1)
    yield Piece(f"{fence}{language}\n", code[0].line)
    yield from code
    yield Piece(f"\n{fence}", code[-1].line)


def _code_of(pre: LexborNode) -> str:
    """The language that a `pre`, the `code` in it or the element around it names in its class; "" where none does."""
    for node in (pre, pre.css_first("code"), pre.parent, pre.parent and pre.parent.parent):
        if node is not None and (named := _code_language.search(node.attributes.get("class") or "")):
            return "" if named[1] in ("default", "none", "text", "plaintext") else named[1]
    return ""


def _first_number(ordered: LexborNode) -> int:
    start = ordered.attributes.get("start") or ""
    return int(start) if start.isdecimal() and start.isascii() and len(start) < 9 and int(start) else 1
