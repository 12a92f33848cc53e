"""Which files a walk finds, and what it says of the others."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from chunkwise.errors import UserError
from chunkwise.read import Skipped, walk


def plant(root: Path, *names: str, text: str = "words\n") -> None:
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def names(root: Path, **options: object) -> list[str]:
    found = walk([root], **options)  # type: ignore[arg-type]
    return [path.relative_to(root).as_posix() for path in found if isinstance(path, Path)]


def skipped(root: Path, **options: object) -> dict[str, str]:
    found = walk([root], **options)  # type: ignore[arg-type]
    return {item.path.relative_to(root).as_posix(): item.reason for item in found if isinstance(item, Skipped)}


def test_every_file_in_order(tmp_path: Path) -> None:
    plant(tmp_path, "b.md", "a/z.py", "a/b/c.txt", "a.txt", "Z", ".hidden")
    found = list(walk([tmp_path]))
    assert found == sorted(found, key=lambda item: item.parts if isinstance(item, Path) else ())
    assert set(names(tmp_path)) == {"b.md", "a/z.py", "a/b/c.txt", "a.txt", "Z", ".hidden"}
    assert found == list(walk([tmp_path]))


def test_empty_folder(tmp_path: Path) -> None:
    assert list(walk([tmp_path])) == []
    assert list(walk([])) == []


def test_missing_root_is_the_callers_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nowhere"):
        walk([tmp_path, tmp_path / "nowhere"])


def test_root_may_be_a_file_and_roots_may_overlap(tmp_path: Path) -> None:
    plant(tmp_path, "a/one.txt", "a/two.txt", ".gitignore", text="two.txt\n")
    assert list(walk([tmp_path / "a/two.txt"])) == [tmp_path / "a/two.txt"]
    assert list(walk([tmp_path / "a", tmp_path, tmp_path / "a/one.txt"])) == [
        tmp_path / "a/one.txt",
        tmp_path / "a/two.txt",
        tmp_path / ".gitignore",
    ]


def test_relative_roots_give_relative_paths(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(tmp_path, "docs/a.md", "docs/.gitignore", "docs/b.md", text="b.md\n")
    monkeypatch.chdir(tmp_path)
    assert list(walk(["docs"])) == [Path("docs/.gitignore"), Path("docs/a.md")]


def test_gitignore_at_every_level(tmp_path: Path) -> None:
    plant(
        tmp_path,
        *("keep.md", "x.log", "deep/y.log", "deep/kept.log", "build/out.txt", "deep/build/out.txt"),
        *("deep/only.txt", "only.txt", "deep/deeper/only.txt", "notes/a.tmp", "notes/b.tmp"),
    )
    (tmp_path / ".gitignore").write_text("# logs\n*.log\nbuild/\n/only.txt\nnotes/*\n!notes/b.tmp\n[\n!\n")
    (tmp_path / "deep/.gitignore").write_text("\ufeff!kept.log\r\n/only.txt\r\n", encoding="utf-8")
    assert set(names(tmp_path)) == {
        *(".gitignore", "deep/.gitignore", "keep.md"),
        *("deep/kept.log", "deep/deeper/only.txt", "notes/b.tmp"),
    }


def test_a_file_in_an_ignored_folder_cannot_be_called_back(tmp_path: Path) -> None:
    plant(tmp_path, "build/a.txt", "b.txt")
    (tmp_path / ".gitignore").write_text("build/\n!build/a.txt\n")
    assert names(tmp_path) == [".gitignore", "b.txt"]


def test_rules_that_let_only_some_files_in(tmp_path: Path) -> None:
    plant(tmp_path, "a.md", "a.txt", "b/c/a.md", "b/c/a.txt", "d/x/a.md", "d/a.txt")
    (tmp_path / ".gitignore").write_text("*\n!*.md\n!*/\n")
    (tmp_path / "d/.gitignore").write_text("x/**\n!*.md\n")
    assert names(tmp_path) == ["a.md", "b/c/a.md", "d/x/a.md"]


def test_rules_of_the_work_tree_above_the_root(tmp_path: Path) -> None:
    plant(tmp_path, "docs/a.md", "docs/_build/a.html", "out/b.md")
    (tmp_path / ".gitignore").write_text("_build/\nout/\n")
    assert names(tmp_path / "docs") == ["_build/a.html", "a.md"]  # no work tree: nothing above counts
    (tmp_path / ".git").mkdir()
    assert names(tmp_path / "docs") == ["a.md"]
    assert names(tmp_path / "out") == ["b.md"]  # asked for by name


def test_exclude(tmp_path: Path) -> None:
    plant(tmp_path, "a/test/x.py", "test/x.py", "a/x.py", "b.log", "c.log")
    (tmp_path / ".gitignore").write_text("*.log\n")
    assert names(tmp_path, exclude=["/test", "!c.log", ".gitignore"]) == ["a/test/x.py", "a/x.py", "c.log"]
    assert names(tmp_path, exclude=["test/", ".gitignore"]) == ["a/x.py"]


def test_passed_over_without_a_word(tmp_path: Path) -> None:
    kept_out = (".git/config", ".venv/lib/a.py", "node_modules/a.js", "a/__pycache__/x.txt", "kb/chunkwise.sqlite3")
    plant(tmp_path, "a.md", "kb/note.txt", "kb/sub/note.txt", *kept_out)
    assert list(walk([tmp_path])) == [tmp_path / "a.md"]
    assert list(walk([tmp_path / "kb"])) == []


def test_binary_large_and_odd_files_are_named(tmp_path: Path) -> None:
    plant(tmp_path, "photo.PNG", "a.txt")
    (tmp_path / "sly.txt").write_bytes(bytes(range(256)) * 40)
    (tmp_path / "zip").write_bytes(b"PK\x03\x04rest")
    (tmp_path / "long.txt").write_text("x" * 1001)
    os.mkfifo(tmp_path / "pipe.txt")
    (tmp_path / "dangling.md").symlink_to(tmp_path / "gone.md")
    (tmp_path / "self.md").symlink_to(tmp_path / "self.md")
    reasons = skipped(tmp_path, max_bytes=10_000)
    assert "binary" in reasons["photo.PNG"]
    assert reasons["sly.txt"].startswith("too large")
    assert set(skipped(tmp_path, max_bytes=1000)) == {*reasons, "long.txt"}
    reasons = skipped(tmp_path)
    assert reasons["sly.txt"] == reasons["zip"] == "binary"
    assert reasons["pipe.txt"] == "no regular file"
    assert reasons["dangling.md"] == "a link to nothing"
    assert "self.md" in reasons
    assert names(tmp_path) == ["a.txt", "long.txt"]


def test_text_that_a_sniff_could_take_for_binary(tmp_path: Path) -> None:
    (tmp_path / "nul.txt").write_bytes(b"a few \0 NULs \0 in plain words\0")
    (tmp_path / "utf16").write_bytes("no mark, plain words".encode("utf-16-le"))
    (tmp_path / "utf32.txt").write_bytes("marked".encode("utf-32"))
    (tmp_path / "sjis.txt").write_bytes("日本語の文章です。".encode("shift-jis") * 900)
    (tmp_path / "ansi.log").write_bytes(b"\x1b[31mred\x1b[0m\n" * 900)
    (tmp_path / "paper").write_bytes(b"%PDF-1.7\n" + bytes(100))
    (tmp_path / "empty").write_bytes(b"")
    assert skipped(tmp_path) == {}


def test_links_are_followed_once(tmp_path: Path) -> None:
    plant(tmp_path, "real/a.txt", "real/sub/b.txt", "outside/c.txt")
    root = tmp_path / "real"
    (root / "sub/loop").symlink_to(root)
    (root / "sub/up").symlink_to("..")
    (root / "out").symlink_to(tmp_path / "outside")
    (root / "z.txt").symlink_to(root / "a.txt")
    (root / "c.txt").symlink_to(tmp_path / "outside/c.txt")
    assert names(root) == ["a.txt", "c.txt", "sub/b.txt"]


def test_unreadable_file_and_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(tmp_path, "a.txt", "b.txt", "shut/c.txt")
    real_open, real_scandir = io.open, os.scandir

    def no_open(path: str, *args: object, **options: object) -> object:
        if str(path).endswith("b.txt"):
            raise PermissionError(13, "Permission denied")
        return real_open(path, *args, **options)  # type: ignore[call-overload]

    def no_scandir(path: str) -> object:
        if str(path).endswith("shut"):
            raise PermissionError(13, "Permission denied")
        return real_scandir(path)

    monkeypatch.setattr("builtins.open", no_open)
    monkeypatch.setattr(os, "scandir", no_scandir)
    assert names(tmp_path) == ["a.txt"]
    assert skipped(tmp_path) == dict.fromkeys(("b.txt", "shut"), "cannot be read: Permission denied")


def test_names_of_any_bytes_and_folders_of_any_depth(tmp_path: Path) -> None:
    odd = os.fsdecode(b"caf\xe9.txt")
    plant(tmp_path, odd, "new\nline.md", "emoji 🦆.md", "[x].txt")
    assert len(names(tmp_path, exclude=["*.log"])) == 4
    folders = [tmp_path]
    for _ in range(1100):
        folders.append(folders[-1] / "d")
        folders[-1].mkdir()
    (folders[-1] / "a.txt").write_text("deep")
    found = list(walk([tmp_path]))
    (folders[-1] / "a.txt").unlink()
    for folder in reversed(folders[1:]):
        folder.rmdir()
    assert folders[-1] / "a.txt" in found
