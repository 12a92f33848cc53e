"""Which files there are to read below some roots, and which are passed over and why."""
# Paths are plain strings inside: a Path object for every entry would cost more than the walk.
# ruff: noqa: PTH100, PTH110, PTH112, PTH113, PTH114, PTH116, PTH118, PTH120, PTH123

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from chunkwise.errors import UserError
from chunkwise.read.media import HEAD, is_binary, of_name

if TYPE_CHECKING:
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

MAX_BYTES = 64 * 2**20

_never = frozenset({".git", ".hg", ".svn", ".venv", "node_modules", "__pycache__"})
_knowledge_base = "chunkwise.sqlite3"
_Patterns: TypeAlias = "tuple[GitIgnoreSpecPattern, ...]"
_Rules: TypeAlias = "tuple[tuple[int, _Patterns], ...]"  # by folder, the innermost first: length of its path, rules


@dataclass(frozen=True, slots=True)
class Skipped:
    """A file or folder that was passed over, and why, in words."""

    path: Path
    reason: str


def walk(
    roots: Iterable[Path | str], *, exclude: Sequence[str] = (), max_bytes: int = MAX_BYTES
) -> Iterator[Path | Skipped]:
    """Every file below the roots that can be read as text, sorted within each root, roots in the order given.

    roots: folders, or files, which are taken even where a rule excludes them; exclude: gitignore patterns relative to
    each root, on top of the `.gitignore` files at every level, from the root of a git work tree down; max_bytes: larger
    files are passed over, 64 MiB by default. Links are followed, and each real file and folder comes once, under the
    name met first. Version control, environments, caches and knowledge bases are left out without a word; files that
    are binary, too large or unreadable come as Skipped. Raises UserError, before anything else, when a root is missing.
    """
    found = [Path(root) for root in roots]
    for root in found:
        if not os.path.exists(root):
            raise UserError(f"{root}: no such file or folder; check the path")
    return _Walk(exclude, max_bytes).over(found)


@dataclass(frozen=True, slots=True)
class _Folder:
    """A folder being walked: its path as given, absolute with a final slash, and real; the rules in it."""

    path: str
    absolute: str
    real: str
    rules: _Rules


class _Walk:
    def __init__(self, exclude: Sequence[str], max_bytes: int) -> None:
        self._exclude = exclude
        self._max_bytes = max_bytes
        self._seen: set[str] = set()  # real paths

    def over(self, roots: Iterable[Path]) -> Iterator[Path | Skipped]:
        for root in roots:
            path, real = os.fspath(root), os.path.realpath(root)
            if not os.path.isdir(root):
                yield from self._file(path, real)
                continue
            top = os.path.join(os.path.abspath(root), "")
            extra = ((len(top), _patterns(self._exclude)),) if self._exclude else ()
            yield from self._below(_Folder(path, top, real, _rules_above(top)), extra)

    def _below(self, root: _Folder, extra: _Rules) -> Iterator[Path | Skipped]:
        """Depth first with a stack of its own: folders nest deeper than Python calls."""
        stack: list[tuple[_Folder, Iterator[os.DirEntry[str]]]] = []
        entering: _Folder | None = root
        while stack or entering:
            if entering:
                try:
                    stack.append(self._opened(entering))
                except OSError as error:
                    yield Skipped(Path(entering.path), _cannot(error))
                entering = None
                continue
            folder, entries = stack[-1]
            entry = next(entries, None)
            if entry is None:
                stack.pop()
                continue
            is_folder = _is_folder(entry)
            absolute = f"{folder.absolute}{entry.name}{'/' if is_folder else ''}"
            if entry.name in _never or _ignored(absolute, extra + folder.rules):
                continue
            real = os.path.realpath(entry.path) if entry.is_symlink() else os.path.join(folder.real, entry.name)
            if is_folder:
                entering = _Folder(entry.path, absolute, real, folder.rules)
            else:
                yield from self._file(entry.path, real)

    def _opened(self, folder: _Folder) -> tuple[_Folder, Iterator[os.DirEntry[str]]]:
        """The folder with the rules of its own `.gitignore`, and its entries by name; none where it has been seen."""
        if folder.real in self._seen:
            return folder, iter(())
        self._seen.add(folder.real)
        with os.scandir(folder.path) as entries:
            inside = sorted(entries, key=lambda entry: entry.name)
        names = {entry.name for entry in inside}
        if _knowledge_base in names:
            return folder, iter(())
        if ".gitignore" in names:
            folder = replace(folder, rules=_rules_in(folder.absolute) + folder.rules)
        return folder, iter(inside)

    def _file(self, path: str, real: str) -> Iterator[Path | Skipped]:
        if real in self._seen:
            return
        self._seen.add(real)
        reason = self._against(path)
        yield Skipped(Path(path), reason) if reason else Path(path)

    def _against(self, path: str) -> str:
        """Why a file is passed over; "" when it can be read."""
        if of_name(path) == "application/octet-stream":
            return f"binary (.{path.rpartition('.')[2]})"
        try:
            info = os.stat(path)
            if not stat.S_ISREG(info.st_mode):  # opening a FIFO or a device would wait for ever
                return "no regular file"
            if info.st_size > self._max_bytes:
                return f"too large ({_size(info.st_size)}; the limit is {_size(self._max_bytes)})"
            with open(path, "rb", buffering=0) as file:
                return "binary" if is_binary(file.read(HEAD)) else ""
        except OSError as error:
            return "a link to nothing" if os.path.islink(path) and not os.path.exists(path) else _cannot(error)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _ignored(absolute: str, rules: _Rules) -> bool:
    """The last rule of the innermost `.gitignore` that matches a path decides; folders end with a slash."""
    for base, patterns in rules:
        path = absolute[base:]
        for pattern in reversed(patterns):
            found = pattern.match_file(path)
            if found is not None and _is_about(path, found.match):
                return bool(pattern.include)
    return False


def _is_about(path: str, found: re.Match[str]) -> bool:
    """Whether a rule names the path itself: pathspec's patterns also match all that lies below a folder they name.

    Since ignored folders are never entered, a match from further up was overruled there, and git counts it no more.
    """
    mark = found.re.groupindex.get("ps_d")  # the slash after a folder's name
    whole = path.endswith("/") and found.end() == len(path)
    if mark is None:
        return not whole  # `folder/**` is about what is in the folder
    return found[mark] is None or whole or (path.endswith("/") and found[0] == "/")


def _rules_above(top: str) -> _Rules:
    """The rules of the folders between `top` and the root of its git work tree; none where they ignore `top` itself."""
    rules: _Rules = ()
    folder = top.rstrip("/")
    while not os.path.lexists(os.path.join(folder, ".git")):
        folder, below = os.path.dirname(folder), folder
        if folder == below:
            return ()
        rules += _rules_in(os.path.join(folder, ""))
    return () if _ignored(top, rules) else rules


def _rules_in(folder: str) -> _Rules:
    """The rules of the folder's own `.gitignore`; none where it cannot be read."""
    path = os.path.join(folder, ".gitignore")
    try:
        if not os.path.isfile(path):
            return ()
        with open(path, encoding="utf-8-sig", errors="surrogateescape") as file:
            return ((len(folder), _patterns(file.read().splitlines())),)
    except OSError:
        return ()


def _patterns(lines: Iterable[str]) -> _Patterns:
    from pathspec.patterns.gitignore import GitIgnorePatternError
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    made: list[GitIgnoreSpecPattern] = []
    for line in lines:
        try:
            pattern = GitIgnoreSpecPattern(line)
        except GitIgnorePatternError:  # git, too, passes over a line that is no pattern
            continue
        if pattern.include is not None:  # a comment, a blank line
            made.append(pattern)
    return tuple(made)


def _cannot(error: OSError) -> str:
    return f"cannot be read: {error.strerror or error}"


def _size(count: int) -> str:
    return f"{count / 2**20:.1f} MiB" if count >= 2**20 else f"{count:,} bytes"
