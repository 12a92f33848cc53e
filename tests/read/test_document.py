"""One file as a Document: to the character, with its lines, or a plain error."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkwise.errors import ReadError
from chunkwise.read import parse, read
from chunkwise.units import LineMap, Span, content_id


def line_of(text: str, offset: int) -> int:
    """One character at a time: a line ends at LF, at CRLF, and at a CR alone."""
    line = 1
    for at in range(min(offset, len(text))):
        if text[at] == "\n" or (text[at] == "\r" and text[at + 1 : at + 2] != "\n"):
            line += 1
    return line


@given(st.text(alphabet=st.sampled_from("a\n\r\x0b\u2028é🦆\ud800"), max_size=40) | st.text(max_size=60), st.data())
def test_line_of_every_offset(text: str, data: st.DataObject) -> None:
    offset = data.draw(st.integers(0, len(text)))
    assert LineMap.of_text(text).at(offset) == line_of(text, offset)


def test_many_lines_and_line_ends() -> None:
    assert LineMap.of_text("a\n" * 30_000).at(59_999) == 30_000
    assert LineMap.of_text("é\n" * 30_000).numbers == tuple(range(1, 30_002))
    assert LineMap.of_text("a\r\nb\rc\n").starts == (0, 3, 5, 7)


@pytest.mark.parametrize(
    "name", ["a.txt", "a.py", "a.md", "a.rst", "a.json", "a.csv", "a.xml", "a.unknown", "Makefile"]
)
def test_text_is_the_file(tmp_path: Path, name: str) -> None:
    text = "α β\r\n\tγ\r\x0c<|endoftext|> 🦆 שלום\n\n  "
    path = tmp_path / name
    path.write_bytes(text.encode())
    document = read(path)
    assert document.text == text
    assert document.id == content_id(text)
    assert document.source == path.as_posix()
    assert document.metadata == {}
    assert document.lines.cite("a", Span(text.index("γ"), len(text))) == "a:2-5"


def test_empty_file(tmp_path: Path) -> None:
    for name in ("a.txt", "a.html", "a.py"):
        (tmp_path / name).write_bytes(b"")
        document = read(tmp_path / name, source="here")
        assert (document.text, document.source, document.lines.at(0)) == ("", "here", 1)


def test_one_huge_line(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(b'{"a": 1}, ' * 5_000_000)
    document = read(tmp_path / "a.json")
    assert len(document.text) == 50_000_000
    assert document.lines == LineMap()


def test_source_is_the_absolute_path_as_text(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    odd = os.fsdecode(b"caf\xe9.txt")
    (tmp_path / odd).write_text("x")
    monkeypatch.chdir(tmp_path)
    assert read(odd).source == f"{tmp_path.as_posix()}/caf\\xe9.txt"


def test_parse_takes_the_media_type_given() -> None:
    assert parse(b"<p>a", "mail", "text/html").text == "a"
    assert parse(b"<html><p>a", "mail").media_type == "text/html"
    assert parse(b"<p>a", "mail").text == "<p>a"


def fails(path: Path, message: str) -> None:
    with pytest.raises(ReadError, match=message) as caught:
        read(path)
    assert str(path) in str(caught.value)
    assert str(caught.value).count("\n") == 0


def test_what_is_no_readable_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "a.png").write_text("x")
    (tmp_path / "b.txt").write_bytes(bytes(range(256)) * 40)
    fails(tmp_path, "folder")
    fails(tmp_path / "pipe", "no regular file")
    fails(tmp_path / "gone.txt", "no such file")
    fails(tmp_path / "loop", "cannot be read")
    fails(tmp_path / "a.png", "binary")
    fails(tmp_path / "b.txt", "binary")


def test_permission_denied(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_text("x")

    def shut(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", shut)
    fails(path, "permission denied")


def test_a_file_that_changes_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_text("first")
    opened = Path.open
    times = 0

    def growing(self: Path, *args: object, **options: object) -> object:
        nonlocal times
        times += 1
        file = opened(self, *args, **options)  # type: ignore[call-overload]
        if times <= changes:
            with opened(self, "a") as other:
                other.write(" more")
        return file

    monkeypatch.setattr(Path, "open", growing)
    changes = 1
    assert read(path).text == "first more"
    times, changes = 0, 2
    fails(path, "changes while it is read")
    assert times == 2


def test_a_file_that_vanishes_while_it_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.txt"
    path.write_text("first")
    opened = Path.open

    def vanishing(self: Path, *args: object, **options: object) -> object:
        file = opened(self, *args, **options)  # type: ignore[call-overload]
        self.unlink()
        return file

    monkeypatch.setattr(Path, "open", vanishing)
    fails(path, "no such file")


@given(st.text(alphabet="ab \n\r", max_size=60))
def test_citation_of_every_word(text: str) -> None:
    document = parse(text.encode(), "a.txt")
    for word in re.finditer(r"\w+", text):
        line = line_of(text, word.start())
        assert document.lines.cite("a.txt", Span(*word.span())) == f"a.txt:{line}"
