"""What tree-sitter knows of a source file: its tree, its definitions and where its statements begin."""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from chunkwise.segment.structure import Draft, Outline, Path

if TYPE_CHECKING:
    from tree_sitter import Language, Node, Tree

# Python; JavaScript and TypeScript; Java, Go and C#; Rust; C and C++; Ruby and PHP; Kotlin, Swift, Scala and Julia
_DEFINING = """
    function_definition class_definition
    function_declaration generator_function_declaration class_declaration abstract_class_declaration method_definition
    interface_declaration enum_declaration type_alias_declaration internal_module
    method_declaration constructor_declaration record_declaration annotation_type_declaration type_declaration
    struct_declaration namespace_declaration
    function_item struct_item enum_item union_item trait_item impl_item mod_item macro_definition
    struct_specifier class_specifier enum_specifier namespace_definition
    class module method singleton_method trait_declaration
    object_declaration protocol_declaration object_definition trait_definition struct_definition module_definition
"""
_DEFINITIONS = frozenset(_DEFINING.split())
_WRAPPERS = frozenset(["decorated_definition", "export_statement", "template_declaration"])
LEADS = ("comment", "attribute_item", "decorator")  # endings of the kinds of node that belong to what follows
_BODIES = ("block", "body", "body_statement", "declaration_list", "statements")
_STRINGS = frozenset(
    ("string", "string_literal", "raw_string_literal", "template_string", "heredoc_body", "text_block")
)
_DEEPEST = 400  # characters of indentation; a text of nothing but blanks is not looked back through
_SMALL = 300  # bytes; statements below are not looked into for a place to cut
_PARAGRAPH = re.compile(r"\n(?:[ \t]*[#/*;%]*[ \t]*\r?\n)+|\n(?=[ \t#/*]*(?:[-*•+]|\d+[.)]|>>>|:\w+|@\w+)[ \t]?\w)")


@lru_cache(maxsize=32)
def grammar(name: str) -> Language:
    """The grammar of that name, from the wheel `tree-sitter-<name>` that carries its parser."""
    from tree_sitter import Language

    package = importlib.import_module(f"tree_sitter_{'typescript' if name == 'tsx' else name}")
    # Wheels of several grammars, such as typescript's, name each; the one that bears the wheel's name is meant.
    own = f"language_{name}"
    return Language(getattr(package, own if hasattr(package, own) else "language")())


@lru_cache(maxsize=2)  # the outline and a cut by syntax ask for the same tree one after the other
def parse(text: str, name: str) -> Tree:
    """The syntax tree of `text`; broken code gives a tree with error nodes."""
    from tree_sitter import Parser

    return Parser(grammar(name)).parse(text.encode("utf-8", "surrogatepass"))


def characters(text: str) -> Callable[[int], int]:
    """The map from a byte of the text's UTF-8 to the character that holds it."""
    if text.isascii():
        return int
    data = np.frombuffer(text.encode("utf-8", "surrogatepass") + b" ", dtype=np.uint8)
    index: list[int] = (np.cumsum((data & 0xC0) != 0x80, dtype=np.int64) - 1).tolist()
    return index.__getitem__


def line_start(text: str, at: int) -> int:
    """The start of the line of `at` when only blanks stand before it there, -1 otherwise."""
    start = at
    while start and text[start - 1] in " \t\f" and at - start < _DEEPEST:
        start -= 1
    return start if not start or text[start - 1] in "\r\n" else -1


def name_of(node: Node) -> str:
    """What a definition defines, "" where it has no name."""
    found = node.child_by_field_name("type" if node.type == "impl_item" else "name")
    if found is None and node.type == "type_declaration" and node.named_child_count:
        found = node.named_children[0].child_by_field_name("name")
    if found is None:
        found = node.child_by_field_name("declarator")
        while found is not None and (inner := found.child_by_field_name("declarator")) is not None:
            found = inner
    return found.text.decode("utf-8", "replace")[:200] if found is not None and found.text else ""


def code_outline(text: str, name: str) -> Outline:
    """The blocks of a source file: definitions, each with the comments and decorators before it, and what lies between.

    Steps are the statements that begin a line; docstrings, long strings and comments are prose, and a docstring's
    first sentence stays with the header before it.
    """
    character = characters(text)
    draft = Draft()
    draft.block(0, "code", ())
    edges: list[tuple[int, bool, int, Path]] = []  # where, whether a definition begins there, order, path
    # (node, path, whether its children may be steps); a walk with its own stack, for trees deeper than Python's
    stack: list[tuple[Node, Path, bool]] = [(parse(text, name).root_node, (), True)]
    while stack:
        node, path, open_ = stack.pop()
        lead = -1  # where the comments and decorators before the next node begin
        last_row = -1
        inner: list[tuple[Node, Path, bool]] = []
        for child in node.named_children:
            kind = child.type
            start = character(child.start_byte)
            row = child.start_point[0]
            begins = line_start(text, start) if row != last_row else -1
            end_row = child.end_point[0]
            last_row = end_row
            if kind.endswith(LEADS):
                if kind.endswith("comment"):
                    draft.prose.append((start, character(child.end_byte)))
                if begins >= 0 and lead < 0:
                    lead = begins
                    if open_:
                        draft.steps.append(begins)
                continue
            at = lead if lead >= 0 else begins
            lead = -1
            defines = kind in _DEFINITIONS and (end_row > row or open_)
            if defines or kind in _WRAPPERS:
                inside = path
                if defines:
                    named = name_of(child)
                    inside = (*path, named) if named else path
                else:
                    wrapped = next((c for c in child.named_children if c.type in _DEFINITIONS), None)
                    named = name_of(wrapped) if wrapped else ""
                    if named:
                        inside = (*path, named)
                if named and at >= 0:
                    edges.append((at, True, len(path), inside))
                    if end_row < len(text):
                        edges.append((_after_line(text, character(child.end_byte)), False, -len(path), path))
                if kind in _WRAPPERS and wrapped is not None:
                    child = wrapped
                inner.append((child, inside, True))
                continue
            body, docstring = kind.endswith(_BODIES), _is_docstring(child)
            if at >= 0 and open_ and not (body or kind in _STRINGS or docstring):
                draft.steps.append(at)
            if docstring or end_row > row:
                if docstring or kind in _STRINGS:
                    draft.prose.append((start, character(child.end_byte)))
                else:
                    large = child.end_byte - child.start_byte > _SMALL
                    inner.append((child, path, open_ and (large or body)))
        stack.extend(reversed(inner))
    for at, _, _, path in sorted(edges):
        if at < len(text):
            draft.block(at, "code", path)
    draft.prose = _joined(text, draft.prose)
    for start, end in draft.prose:
        draft.steps.extend(found.end() for found in _PARAGRAPH.finditer(text, start, end))
    draft.steps.sort()
    return draft.done()


def _is_docstring(node: Node) -> bool:
    return (
        node.type == "expression_statement" and node.named_child_count == 1 and node.named_children[0].type in _STRINGS
    )


def _after_line(text: str, at: int) -> int:
    """The start of the first line after `at` that says something; `at` itself where its own line goes on."""
    newline = text.find("\n", at)
    if newline < 0:
        return len(text)
    if text[at:newline].strip(" \t\r;,)}]"):
        return at if not text[at:newline].lstrip().startswith(("#", "//", "/*")) else newline + 1
    at = newline + 1
    while at < len(text):
        newline = text.find("\n", at)
        if newline < 0 or (not text[at:newline].isspace() and newline > at):
            break
        at = newline + 1
    return at


def _joined(text: str, spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """The stretches in order, those with only blanks between them made one: line comments make a paragraph."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(end, joined[-1][1]))
        elif joined and text[joined[-1][1] : start].isspace():
            joined[-1] = (joined[-1][0], end)
        else:
            joined.append((start, end))
    return joined
