"""What leaves the arena comes back from its folder as it was, or is not there."""

from __future__ import annotations

import errno
import os
import resource
import signal
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from kv_worlds import add, make, numbers, told
from safetensors import safe_open

from chunkwise.engine.kv.arena import Arena
from chunkwise.engine.kv.spill import Spill
from chunkwise.engine.kv.tree import EXACT, Approximate, Tree
from chunkwise.errors import SkippedWarning
from processes import start

HERE = str(Path(__file__).parent)
LONG = list(range(20))


@pytest.fixture(autouse=True)
def _loud() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*"))


def emptied(tree: Tree) -> Tree:
    tree.make_room(tree.slots.total)
    return tree


def comes_back(tree: Tree, tokens: list[int], length: int, provenance: EXACT.__class__ | Approximate = EXACT) -> None:
    node, found = tree.reload(tokens, provenance=provenance)
    assert found == length
    assert torch.equal(told(tree, node), numbers(tokens[:length], 0, provenance=provenance))
    tree.check()


def test_there_and_back(tmp_path: Path) -> None:
    """In the same process and in the next; whole and in part; a chunk's name with it."""
    tree = make(tmp_path)
    add(tree, LONG[:8], chunk="a")
    add(tree, LONG)
    assert tree.held(LONG) == 20
    emptied(tree)
    assert tree.held(LONG) == 0
    assert len(files(tmp_path)) == 2
    for again in (tree, make(tmp_path)):
        comes_back(again, [*LONG[:14], 99], 14)
        assert [one.chunk for one in again.path(again.match(LONG[:14]).node)] == ["a", None]
        comes_back(again, LONG, 20)  # the rest of a run that was read in part
        emptied(again)
    assert len(files(tmp_path)) == 2  # what is there already is not written again


def test_without_room_it_stays_where_it_is(tmp_path: Path) -> None:
    tree = make(tmp_path, slots=24)
    add(tree, LONG)
    emptied(tree)
    other = add(tree, [50, 51, 52, 53, 54])
    tree.pin(other)
    assert tree.reload(LONG).length == 0
    tree.release(other)
    comes_back(tree, LONG, 20)
    comes_back(tree, [50, 51], 2)


def test_approximate_comes_back_as_what_it_was(tmp_path: Path) -> None:
    blend = Approximate("blend")
    tree = make(tmp_path)
    add(tree, LONG, provenance=blend)
    for again in (emptied(tree), make(tmp_path)):
        assert again.reload(LONG).length == 0
        comes_back(again, LONG, 20, blend)
        assert again.held(LONG) == 0
    (path,) = files(tmp_path)
    with safe_open(path, "np") as file:
        assert file.metadata()["provenance"] == "approximate: blend"


def test_a_forged_name_is_not_enough(tmp_path: Path) -> None:
    """Approximate keys and values, whole and with a right sha256, under the name that exact ones would have."""
    tree = make(tmp_path)
    add(tree, LONG, provenance=Approximate("blend"))
    emptied(tree)
    (loose,) = files(tmp_path)
    exact = make(tmp_path / "other")
    add(exact, LONG)
    emptied(exact)
    (name,) = files(tmp_path / "other")
    name.write_bytes(loose.read_bytes())
    with pytest.warns(SkippedWarning, match="another prefix"):
        comes_back(exact, LONG, 0)


def test_bounded(tmp_path: Path) -> None:
    """The folder never holds more than it may; the files used least recently go, in the next process too."""
    sequences = [[first, *LONG] for first in range(100, 106)]
    tree = make(tmp_path)
    add(tree, sequences[0])
    emptied(tree)
    size = files(tmp_path)[0].stat().st_size
    tree = make(tmp_path, limit=3 * size + size // 2)
    for one in sequences[1:4]:
        add(tree, one)
        emptied(tree)
        assert sum(path.stat().st_size for path in files(tmp_path)) <= 3 * size + size // 2
    assert tree.reload(sequences[0]).length == 0
    comes_back(tree, sequences[1], 21)
    time.sleep(0.02)
    tree = make(tmp_path, limit=3 * size + size // 2)
    add(tree, sequences[4])
    emptied(tree)
    assert tree.reload(sequences[2]).length == 0
    comes_back(tree, sequences[1], 21)
    none = make(tmp_path / "none", limit=size // 2)
    add(none, LONG)
    emptied(none)
    assert files(tmp_path / "none") == []


@pytest.mark.parametrize("other", ["model", "dtype", "shape"])
def test_another_models_folder_is_not_used(tmp_path: Path, other: str) -> None:
    """But counted: the limit is the folder's, and the oldest goes whosever it was."""
    tree = make(tmp_path)
    add(tree, LONG)
    emptied(tree)
    size = files(tmp_path)[0].stat().st_size
    limit = 2 * size - 10  # one of them
    arena = Arena(
        64, layers=2, kv_heads=1, dim=4 if other == "shape" else 2,
        dtype=torch.bfloat16 if other == "dtype" else torch.float32,
    )  # fmt: skip
    spill = Spill(tmp_path, arena, "another" if other == "model" else "model", limit)
    strange = Tree(arena, spilled=spill)
    assert strange.reload(LONG).length == 0
    assert spill.bytes == size
    node = strange.insert(strange.root(), LONG, strange.slots.allocate(20))
    arena.write(node.extents, torch.zeros(2, *arena.shape[:2], 20, arena.shape[2]))
    emptied(strange)
    assert spill.bytes <= limit
    if other != "dtype":  # half as large: both fit
        assert [path.parent for path in files(tmp_path)] == [spill.folder]


def test_bfloat16_keeps_its_bits(tmp_path: Path) -> None:
    arena = Arena(64, layers=2, kv_heads=2, dim=4, dtype=torch.bfloat16)
    tree = Tree(arena, spilled=Spill(tmp_path, arena, "m", 1 << 20))
    kv = torch.randn(2, 2, 2, 20, 4).to(torch.bfloat16)
    extents = arena.allocate(20)
    arena.write(extents, kv)
    tree.insert(tree.root(), LONG, extents)
    emptied(tree)
    assert torch.equal(told(tree, tree.reload(LONG).node), kv)


def test_other_files_are_left_alone(tmp_path: Path) -> None:
    """Weights that lie in the same folder are no spilled nodes, whatever the limit."""
    weights = [tmp_path / "llama" / "model.safetensors", tmp_path / ("a" * 32) / "model.safetensors"]
    for path in weights:
        path.parent.mkdir()
        path.write_bytes(b"weights" * 1000)
    tree = make(tmp_path, limit=2000)
    for first in range(100, 105):
        add(tree, [first, *LONG])
        emptied(tree)
    assert all(path.exists() for path in weights)


def spoil(path: Path, how: str) -> None:
    whole = path.read_bytes()
    if how == "missing":
        path.unlink()
    elif how == "empty":
        path.write_bytes(b"")
    elif how == "truncated":
        path.write_bytes(whole[:-7])
    elif how == "a bit in the keys":
        path.write_bytes(whole[:-9] + bytes([whole[-9] ^ 4]) + whole[-8:])
    elif how == "exact said of approximate":
        path.write_bytes(whole.replace(b"approximate: blend", b"exact             "))
    elif how == "other tokens":
        path.write_bytes(whole.replace(b'"0 1 2 3', b'"0 1 2 4'))
    elif how == "shape":
        path.write_bytes(whole.replace(b"[2,2,1,20,2]", b"[2,1,2,20,2]"))


@pytest.mark.parametrize("when", ["before the start", "after"])
@pytest.mark.parametrize(
    "how",
    ["missing", "empty", "truncated", "a bit in the keys", "exact said of approximate", "other tokens", "shape"],
)
def test_a_damaged_file_is_not_there(tmp_path: Path, how: str, when: str) -> None:
    """Said once, then as if it had never been; the tokens are computed anew and spilled anew."""
    blend = Approximate("blend")
    tree = make(tmp_path)
    add(tree, LONG, provenance=blend)
    emptied(tree)
    (path,) = files(tmp_path)
    before = path.read_bytes()
    spoil(path, how)
    assert not path.exists() or path.read_bytes() != before
    with warnings.catch_warnings(record=True) as heard:
        warnings.simplefilter("always")
        if when == "before the start":
            tree = make(tmp_path)
        for _ in range(3):
            assert tree.reload(LONG, provenance=blend).length == 0
            assert tree.reload(LONG).length == 0
    expected = 0 if (how, when) == ("missing", "before the start") else 1
    assert [one.category for one in heard] == [SkippedWarning] * expected
    assert not path.exists()
    add(tree, LONG, provenance=blend)
    comes_back(emptied(tree), LONG, 20, blend)


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Half the file goes in, then no more: no file under any name, said once, and all goes on without."""
    tree = make(tmp_path)

    def full(path: Path, data: bytes) -> int:
        with path.open("wb") as file:
            file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    add(tree, LONG)
    add(tree, [7, 8, 9])
    with monkeypatch.context() as patch:
        patch.setattr(Path, "write_bytes", full)
        with pytest.warns(SkippedWarning, match="No space left on device") as heard:
            emptied(tree)
    assert len(heard) == 1
    assert files(tmp_path) == []
    assert tree.reload(LONG).length == 0
    tree.check()
    add(tree, LONG)  # there is room again
    comes_back(emptied(tree), LONG, 20)


def test_a_file_that_outgrows_what_the_system_allows(tmp_path: Path) -> None:
    """The same with the system's own refusal, in the middle of a real write."""
    tree = make(tmp_path)
    add(tree, LONG)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, hard))
    try:
        with pytest.warns(SkippedWarning, match="File too large"):
            emptied(tree)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert files(tmp_path) == []
    assert tree.reload(LONG).length == 0


def test_a_folder_that_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.warns(SkippedWarning, match="cannot spill"):
        tree = make(tmp_path / "file" / "folder")
    add(tree, LONG)
    assert emptied(tree).reload(LONG).length == 0  # and no word more


def test_killed_while_it_spills(tmp_path: Path) -> None:
    """kill -9 at some moment: the next process finds only whole files, and the right values in them."""
    with start(
        f"""
import sys
sys.path.insert(0, {HERE!r})
from pathlib import Path
from kv_worlds import make, add
tree = make(Path(sys.argv[1]), limit=1 << 24)
print("ready", flush=True)
for at in range(1_000_000):
    add(tree, [at % 97, *range(at % 40)])
    tree.make_room(64)
""",
        tmp_path,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(0.3)
        process.send_signal(signal.SIGKILL)
    tree = make(tmp_path)
    assert not [path for path in files(tmp_path) if path.suffix != ".safetensors"]
    found = 0
    for first in range(97):
        node, length = tree.reload([first, *range(40)])
        assert torch.equal(told(tree, node), numbers([first, *range(40)][:length], 0))
        found += length
    tree.check()
    assert found


def test_killed_between_the_halves_of_a_write(tmp_path: Path) -> None:
    with start(
        f"""
import os, signal, sys
sys.path.insert(0, {HERE!r})
from pathlib import Path
from kv_worlds import make, add
def half(path, data):
    with path.open("wb") as file:
        file.write(data[: len(data) // 2])
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)
tree = make(Path(sys.argv[1]))
add(tree, range(8))
tree.make_room(64)
add(tree, range(20))
Path.write_bytes = half
tree.make_room(64)
""",
        tmp_path,
    ) as process:
        process.communicate(timeout=60)
    assert process.returncode == -signal.SIGKILL
    assert sorted(path.suffix for path in files(tmp_path)) == [".part", ".safetensors"]
    comes_back(make(tmp_path), LONG, 8)
    assert [path.suffix for path in files(tmp_path)] == [".safetensors"]
