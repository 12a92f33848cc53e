"""The compiled kernels: equal to torch, absent without harm, built once and whole."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from chunkwise.engine.config import Rotary
from chunkwise.engine.kernels import Turned, build, library, small_linear, small_norm, small_swiglu
from chunkwise.engine.rope import Rope
from processes import run, start

needs_compiler = pytest.mark.skipif(library() is None, reason="no compiler")


@needs_compiler
@pytest.mark.parametrize("rows", range(1, 17))
@pytest.mark.parametrize(("depth", "width"), [(8, 1), (64, 3), (72, 130), (768, 37)])
def test_small_linear_is_linear(rows: int, depth: int, width: int) -> None:
    made = torch.Generator().manual_seed(rows)
    x, weight = torch.randn(rows, depth, generator=made), torch.randn(width, depth, generator=made)
    found = small_linear(x, weight)
    assert found is not None
    assert torch.allclose(found.double(), x.double() @ weight.double().T, atol=1e-4, rtol=1e-5)
    for row in range(rows):  # to the last bit, whatever other rows there are
        assert torch.equal(small_linear(x[row : row + 1], weight), found[row : row + 1])


@needs_compiler
def test_small_linear_takes_views() -> None:
    x, weight = torch.randn(2, 3, 32), torch.randn(20, 64)
    for given, over in (
        (x[..., 8:16], weight[:, 5:13]),
        (x.transpose(0, 1), weight[::2, 32:]),
        (x[0, 0], weight[:5, :32]),
    ):
        found = small_linear(given, over)
        assert found is not None
        assert found.shape == (*given.shape[:-1], len(over))
        assert torch.allclose(found, given @ over.T, atol=1e-5)
    x[0, 0, 0] = torch.nan
    found = small_linear(x, weight[:, :32])
    assert found is not None
    assert found[0, 0].isnan().all()
    assert found[0, 1].isfinite().all()


@pytest.mark.parametrize(
    ("x", "weight"),
    [
        (torch.zeros(17, 8), torch.zeros(4, 8)),
        (torch.zeros(0, 8), torch.zeros(4, 8)),
        (torch.zeros(1, 0), torch.zeros(4, 0)),
        (torch.zeros(1, 12), torch.zeros(4, 12)),
        (torch.zeros(1, 8, dtype=torch.float64), torch.zeros(4, 8, dtype=torch.float64)),
        (torch.zeros(1, 8), torch.zeros(8, 4).T),
        (torch.zeros(1, 8), torch.zeros(4, 8, requires_grad=True)),
    ],
)
def test_small_linear_says_where_it_cannot(x: torch.Tensor, weight: torch.Tensor) -> None:
    assert small_linear(x, weight) is None


@needs_compiler
@pytest.mark.parametrize("rows", range(1, 17))
@pytest.mark.parametrize("width", [8, 40, 72, 768])
def test_small_norm_is_add_then_norm(rows: int, width: int) -> None:
    made = torch.Generator().manual_seed(rows)
    x, more, weight = (torch.randn(*shape, generator=made) for shape in ((rows, width), (rows, width), (width,)))
    before = x.clone(), more.clone()
    for added in (more, None):
        found = small_norm(x, added, weight, 1e-5)
        assert found is not None
        total = x if added is None else x + added
        assert torch.equal(found[0], total)
        expected = functional.rms_norm(total.double(), (width,), weight.double(), 1e-5)
        assert torch.allclose(found[1].double(), expected, atol=1e-6, rtol=1e-6)
        for row in range(rows):
            one = slice(row, row + 1)
            alone = small_norm(x[one], None if added is None else added[one], weight, 1e-5)
            assert alone is not None
            assert torch.equal(alone[1], found[1][one])
    assert torch.equal(x, before[0])  # the caller's own states are left alone
    assert torch.equal(more, before[1])


@needs_compiler
def test_small_norm_of_odd_numbers() -> None:
    x = torch.stack([torch.zeros(8), torch.full((8,), 1e-20), torch.full((8,), 1e15), torch.full((8,), torch.nan)])
    found = small_norm(x, None, torch.ones(8), 1e-6)
    assert found is not None
    assert torch.allclose(found[1], functional.rms_norm(x, (8,), None, 1e-6), equal_nan=True)
    assert found[0] is x


@needs_compiler
@pytest.mark.parametrize("rows", range(1, 17))
@pytest.mark.parametrize("inner", [8, 24, 2048])
def test_small_swiglu_is_swiglu(rows: int, inner: int) -> None:
    both = torch.randn(rows, 2 * inner, generator=torch.Generator().manual_seed(rows)) * 4
    found = small_swiglu(both)
    assert found is not None
    gate, up = both.double().chunk(2, -1)
    assert torch.allclose(found.double(), functional.silu(gate) * up, atol=1e-6, rtol=1e-6)
    for row in range(rows):
        alone = small_swiglu(both[row : row + 1])
        assert alone is not None
        assert torch.equal(alone, found[row : row + 1])


@needs_compiler
def test_small_swiglu_of_odd_numbers() -> None:
    gate = torch.tensor([0.0, -0.0, 1e30, -1e30, 88.0, -88.0, torch.inf, torch.nan])
    found = small_swiglu(torch.cat([gate, torch.ones(8)])[None])
    assert found is not None
    assert torch.allclose(found[0], functional.silu(gate), atol=1e-6, equal_nan=True)


@needs_compiler
@pytest.mark.parametrize("rows", [1, 2, 5, 16])
@pytest.mark.parametrize(("dim", "dims"), [(8, 8), (24, 24), (64, 64), (80, 80), (64, 16), (72, 6), (40, 0)])
def test_turned_rotates_and_writes(rows: int, dim: int, dims: int) -> None:
    made = torch.Generator().manual_seed(rows)
    qkv = torch.randn(rows, 6 + 2 + 2, dim, generator=made)  # as a decoder has them, in one
    q, k, v = qkv.split([6, 2, 2], 1)
    keys, values = torch.randn(2, 2, 40, dim, generator=made)
    held = keys.clone(), values.clone()
    slots = torch.randperm(40, generator=made)[:rows]
    turn = Rope(Rotary(dims, 1e4)).at(torch.arange(rows) * 7 + 3)
    found = Turned(*turn, slots.numpy())(q, k, v, keys, values)
    assert found is not None
    assert torch.allclose(found, turn(q), atol=1e-6)
    held[0][:, slots], held[1][:, slots] = turn(k).transpose(0, 1), v.transpose(0, 1)
    assert torch.allclose(keys, held[0], atol=1e-6)
    assert torch.equal(values, held[1])
    for row in range(rows):
        one, fresh = slice(row, row + 1), torch.zeros(2, 2, 40, dim)
        alone = Turned(turn.cos[one], turn.sin[one], slots[one].numpy())(q[one], k[one], v[one], *fresh)
        assert alone is not None
        assert torch.equal(alone, found[one])
        assert torch.equal(fresh[0][:, slots[row]], keys[:, slots[row]])


@needs_compiler
@pytest.mark.parametrize(
    "x",
    [
        torch.zeros(17, 16),
        torch.zeros(0, 16),
        torch.zeros(1, 0),
        torch.zeros(1, 12),
        torch.zeros(1, 16, dtype=torch.float64),
        torch.zeros(16, 2).T,
        torch.zeros(2, 32)[:, :16],
        torch.zeros(1, 16, requires_grad=True),
    ],
)
def test_what_is_between_says_where_it_cannot(x: torch.Tensor) -> None:
    assert small_norm(x, None, torch.ones(x.shape[1]), 1e-6) is None
    assert small_norm(torch.zeros(*x.shape), x, torch.ones(x.shape[1]), 1e-6) is None or x.is_contiguous() is False
    assert small_swiglu(x) is None


@needs_compiler
def test_turned_says_where_it_cannot() -> None:
    """Above all, it writes nothing outside the arena."""
    x, held = torch.zeros(2, 3, 8), torch.zeros(3, 10, 8)
    cos = torch.ones(2, 1, 8)

    def turned(slots: list[int], *given: torch.Tensor, cos: torch.Tensor = cos) -> torch.Tensor | None:
        return Turned(cos, cos, np.array(slots, np.int64))(*given)

    assert turned([3, 9], x, x, x, held, held) is not None
    assert turned([3, 10], x, x, x, held, held) is None
    assert turned([-1, 3], x, x, x, held, held) is None
    assert turned([3], x, x, x, held, held) is None
    assert turned([], x[:0], x[:0], x[:0], held, held) is None
    assert turned([3, 9], x, x, x[:, :2], held, held) is None
    assert turned([3, 9], x, x[:, :2], x[:, :2], held, held) is None
    assert turned([3, 9], x, x, x, held, held[:, :9]) is None
    assert turned([3, 9], x.double(), x, x, held, held) is None
    assert turned([3, 9], x, x, x, held.half(), held.half()) is None
    assert turned([3, 9], x[..., ::2], x[..., ::2], x[..., ::2], held[..., ::2], held[..., ::2]) is None
    assert turned([3, 9], x, x, x, held, held, cos=torch.ones(2, 1, 10)) is None
    assert turned([3, 9], x, x, x, held, held, cos=torch.ones(3, 1, 8)) is None


def test_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHUNKWISE_COMPILED", "0")
    assert library() is None
    assert small_linear(torch.zeros(1, 8), torch.zeros(4, 8)) is None
    assert small_norm(torch.zeros(1, 8), None, torch.ones(8), 1e-6) is None
    assert small_swiglu(torch.zeros(1, 16)) is None
    x, cos = torch.zeros(1, 2, 8), torch.ones(1, 1, 8)
    assert Turned(cos, cos, np.zeros(1, np.int64))(x, x, x, torch.zeros(2, 4, 8), torch.zeros(2, 4, 8)) is None


@pytest.fixture
def anew(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A machine that has built nothing yet; the folder of its cache."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(build, "_library", build._library.__wrapped__)
    return tmp_path / "chunkwise" / "kernels"


def compiler(folder: Path, script: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the one compiler there is be this shell script."""
    made = folder / "bin" / "c++"
    made.parent.mkdir()
    made.write_text(f"#!/bin/sh\n{script}\n")
    made.chmod(0o755)
    monkeypatch.setenv("PATH", str(made.parent))
    monkeypatch.delenv("CXX", raising=False)


@pytest.mark.parametrize("script", ["exit 1", "exit 0", "echo no library >made.so"])
def test_a_compiler_that_fails(anew: Path, script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    compiler(tmp_path, script, monkeypatch)
    assert library() is None
    assert not [left for left in anew.iterdir() if left.suffix != ".so"]


def test_no_compiler(anew: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("CXX", raising=False)
    assert library() is None
    assert not anew.exists()


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="root may write anywhere")
def test_a_cache_that_cannot_be_written(anew: Path, tmp_path: Path) -> None:
    tmp_path.chmod(stat.S_IRUSR | stat.S_IXUSR)
    assert library() is None
    assert not anew.exists()


def test_a_cache_that_is_a_file(anew: Path) -> None:
    anew.parent.write_text("in the way")
    assert library() is None


@needs_compiler
def test_two_processes_build_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    code = """
import torch
from chunkwise.engine.kernels import library, small_linear
assert library() is not None
assert small_linear(torch.ones(1, 8), torch.ones(2, 8)).tolist() == [[8.0, 8.0]]
"""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    both = [start(code), start(code)]
    said = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    made = list((tmp_path / "chunkwise" / "kernels").iterdir())
    assert [path.suffix for path in made] == [".so"]


@needs_compiler
def test_one_openmp_in_the_process() -> None:
    """The kernels share torch's threads: a second runtime would fight for the same cores."""
    code = """
from pathlib import Path
import torch
from chunkwise.engine.kernels import library
library()
maps = Path("/proc/self/maps")
lines = maps.read_text().splitlines() if maps.exists() else []
runtimes = ("libgomp", "libomp", "libiomp")
print(len({line.split()[-1] for line in lines if line.rpartition("/")[2].startswith(runtimes)}))
"""
    assert int(run(code)) <= 1
