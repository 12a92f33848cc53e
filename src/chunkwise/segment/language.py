"""What a document is written in: markup, rows, or a programming language with or without a grammar."""

from __future__ import annotations

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
    json yaml yml toml ini cfg conf xml css scss sql lua swift kotlin kt scala perl pl r julia jl haskell hs zig dart
    elixir ex erlang erl clojure clj vue svelte proto makefile mk dockerfile cmake diff patch
"""

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
_BY_ENDING_ONLY = {"ts": _KNOWN["typescript"]}


def language_of(document: Document) -> Language:
    """By the media type; where that says no more than text, by the ending of the source."""
    major, _, minor = document.media_type.partition(";")[0].strip().lower().partition("/")
    minor = minor.removeprefix("x-").removeprefix("vnd.")
    if minor in _KNOWN:
        return _KNOWN[minor]
    if minor == "plain" or major not in ("text", "application") or minor == "octet-stream":
        ending = document.source.rpartition(".")[2].lower() if "." in document.source else ""
        return _BY_ENDING_ONLY.get(ending) or _KNOWN.get(ending, PLAIN)
    return _LINES if minor.endswith(("+json", "+xml")) else PLAIN
