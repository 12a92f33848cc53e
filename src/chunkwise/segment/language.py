"""What a document is written in: markup, rows, or a programming language with or without a grammar."""

from __future__ import annotations

from functools import lru_cache
from importlib.util import find_spec
from typing import Literal, NamedTuple

from chunkwise.units import Document


class Language(NamedTuple):
    """kind: what its chunks are; markup: how headings are written; grammar: the tree-sitter grammar that reads it."""

    kind: Literal["text", "code", "table"] = "text"
    markup: Literal["", "markdown", "rst"] = ""
    grammar: str = ""


PLAIN = Language()
_MARKDOWN = Language(markup="markdown")
_LINES = Language("code")
_ROWS = Language("table")

_WITHOUT_GRAMMAR = """
    json yaml yml toml ini cfg conf xml css scss vue svelte makefile mk dockerfile cmake diff patch
"""

# Read by their grammar where its wheel `tree-sitter-<name>` is installed: what they are known by beside that name.
_WHERE_INSTALLED = {
    "ada": "adb ads",
    "clojure": "clj cljs cljc",
    "commonlisp": "lisp lsp cl",
    "cuda": "cu cuh",
    "d": "",
    "dart": "",
    "elixir": "ex exs",
    "elm": "",
    "erlang": "erl hrl",
    "fortran": "f f77 f90 f95 f03 f08",
    "fsharp": "fs fsx",
    "gleam": "",
    "glsl": "vert frag",
    "groovy": "gradle",
    "haskell": "hs",
    "hcl": "tf tfvars",
    "julia": "jl",
    "kotlin": "kt kts",
    "lua": "",
    "matlab": "",
    "nim": "",
    "nix": "",
    "objc": "objective-c m mm",
    "ocaml": "ml",
    "odin": "",
    "pascal": "pas dpr",
    "perl": "pl pm",
    "powershell": "ps1 psm1",
    "proto": "protobuf",
    "r": "",
    "racket": "rkt",
    "scala": "sc",
    "scheme": "scm ss",
    "solidity": "sol",
    "sql": "ddl",
    "starlark": "bzl bazel",
    "swift": "",
    "systemverilog": "sv svh",
    "tcl": "",
    "verilog": "v vh",
    "vhdl": "vhd",
    "zig": "",
}

# Keyed by the ending of a file and by the media type's second half without "x-"; both say the same thing.
_KNOWN: dict[str, Language] = {
    **dict.fromkeys(("markdown", "md", "mdx", "html", "htm", "xhtml", "xhtml+xml", "ipynb", "ipynb+json"), _MARKDOWN),
    **dict.fromkeys(("rst", "prs.fallenstein.rst", "restructuredtext"), Language(markup="rst")),
    **dict.fromkeys(("csv", "tsv", "tab-separated-values", "jsonl", "ndjson", "jsonlines", "json-lines"), _ROWS),
    **dict.fromkeys(_WITHOUT_GRAMMAR.split(), _LINES),
    **{
        name: Language("code", grammar=grammar)
        for grammar, names in {
            "python": "python py pyi pyw script.python",
            "javascript": "javascript js mjs cjs jsx ecmascript",
            "typescript": "typescript mts cts",
            "tsx": "tsx typescript-jsx",
            "java": "java java-source",
            "go": "go golang",
            "rust": "rust rs rustsrc",
            "c": "c h csrc chdr",
            "cpp": "cpp c++ cc cxx hpp hh hxx c++src c++hdr",
            "c_sharp": "csharp cs c_sharp",
            "ruby": "ruby rb",
            "php": "php httpd-php",
            "bash": "sh bash shellscript shell zsh",
        }.items()
        for name in names.split()
    },
}
_GRAMMAR_OF = {name: grammar for grammar, names in _WHERE_INSTALLED.items() for name in (grammar, *names.split())}
_WRITTEN = 100_000
_BY_ENDING_ONLY = {"ts": _KNOWN["typescript"]}


def language_of(document: Document) -> Language:
    """By the media type; where that says no more than text, by the ending of the source.

    Code that no person wrote in lines (over _WRITTEN characters, and over 1000 of them a line) is read without its
    grammar: parsers need time beyond measure for what is no code, and a minified file has no structure to keep.
    """
    found = _named(document)
    size = len(document.text)
    if found.grammar and size > _WRITTEN and document.text.count("\n") * 1000 < size:
        return _LINES
    return found


def _named(document: Document) -> Language:
    major, _, minor = document.media_type.partition(";")[0].strip().lower().partition("/")
    minor = minor.removeprefix("x-").removeprefix("vnd.")
    if minor in _KNOWN:
        return _KNOWN[minor]
    ending = document.source.rpartition(".")[2].lower() if "." in document.source else ""
    if minor == "plain" or major not in ("text", "application") or minor == "octet-stream":
        return _BY_ENDING_ONLY.get(ending) or _KNOWN.get(ending) or _further(ending, PLAIN)
    return _further(minor, _LINES if minor.endswith(("+json", "+xml")) else PLAIN)


@lru_cache(maxsize=256)
def _further(name: str, otherwise: Language) -> Language:
    """A language that is read by its grammar where one is installed, as lines of code where it is known to be code."""
    grammar = _GRAMMAR_OF.get(name, name)
    try:
        found = bool(grammar.isidentifier() and find_spec(f"tree_sitter_{grammar}"))
        if found:
            from chunkwise.segment import syntax

            syntax.grammar(grammar)
            return Language("code", grammar=grammar)
    except Exception:  # a wheel for another tree-sitter, or none of a grammar
        pass
    return _LINES if name in _GRAMMAR_OF else otherwise
