"""The compiled kernels: equal to torch, absent without harm, built once and whole."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest
import torch

from chunkwise.engine.kernels import build, library, small_linear
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


def test_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHUNKWISE_COMPILED", "0")
    assert library() is None
    assert small_linear(torch.zeros(1, 8), torch.zeros(4, 8)) is None


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
