"""The C++ beside this file as a library of this machine's own: built at first use, absent where it cannot be."""

from __future__ import annotations

import ctypes
import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import torch
from torch import Tensor

LANES = 8  # floats that the kernels take at once; see lanes.h
_SOURCES = ("attention.cpp", "between.cpp", "linear.cpp")
_HEADERS = ("lanes.h",)
_HERE = Path(__file__).parent
_SECONDS = 120  # a compiler that takes longer is as good as none


def library() -> ctypes.CDLL | None:
    """The compiled kernels; None where there is no compiler, it fails, or the environment says CHUNKWISE_COMPILED=0.

    The first call on a machine takes the seconds that the compiler (`$CXX`, else c++, g++ or clang++) needs. The
    library is kept in `$XDG_CACHE_HOME/chunkwise/kernels` (`~/.cache/chunkwise/kernels`) under the hash of the source,
    the compiler and the processor, so that none is ever used where it was not built. It appears there whole or not at
    all; two processes that build it at once both succeed.
    """
    return None if os.environ.get("CHUNKWISE_COMPILED") == "0" else _library()


def plain(*tensors: Tensor) -> bool:
    """Whether the kernels can read these: float32 on the CPU, adjacent in the last dimension, no gradient asked for."""
    for one in tensors:
        if one.dtype is not torch.float32 or not one.is_cpu or one.stride(-1) != 1:
            return False
        if one.requires_grad and torch.is_grad_enabled():
            return False
    return True


@cache
def _library() -> ctypes.CDLL | None:
    compiler = next(filter(None, map(shutil.which, (os.environ.get("CXX", ""), "c++", "g++", "clang++"))), None)
    if compiler is None:
        return None
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "chunkwise" / "kernels"
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        made = folder / f"{_key(Path(compiler))}.so"
        if not made.exists():
            _build(compiler, made)
        return _declared(ctypes.CDLL(str(made)))
    except (OSError, RuntimeError, subprocess.SubprocessError):
        return None


def _declared(found: ctypes.CDLL) -> ctypes.CDLL:
    """The library with the types of its functions; see the signatures in the sources."""
    pointer, size, threads = ctypes.c_void_p, ctypes.c_int64, ctypes.c_int
    found.chunkwise_linear.argtypes = [pointer, size, size, pointer, size, size, size, pointer, threads]
    found.chunkwise_attend.argtypes = [*[pointer] * 5, ctypes.c_float, *[pointer] * 4, threads]
    found.chunkwise_norm.argtypes = [*[pointer] * 3, ctypes.c_float, size, size, *[pointer] * 2]
    found.chunkwise_swiglu.argtypes = [pointer, size, size, pointer]
    found.chunkwise_turn.argtypes = [pointer] * 10
    for name in ("linear", "attend", "norm", "swiglu", "turn"):
        getattr(found, f"chunkwise_{name}").restype = None
    return found


def _key(compiler: Path) -> str:
    """What the library depends on, hashed: its source, the compiler, the processor and the runtime of threads."""
    found = compiler.resolve()
    about = f"{found} {found.stat().st_size} {found.stat().st_mtime_ns} {_processor()} {_threads_runtime()}"
    source = b"\0".join((_HERE / name).read_bytes() for name in (*_SOURCES, *_HEADERS, Path(__file__).name))
    return hashlib.blake2b(source + about.encode(), digest_size=16).hexdigest()


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return "\n".join(
            sorted({line for line in lines if line.startswith(("model name", "flags", "Features", "CPU"))})
        )
    except OSError:
        return f"{platform.machine()} {platform.processor()}"


def _threads_runtime() -> Path | None:
    """The OpenMP that torch brings with it: two of them in one process would fight for the cores."""
    root = Path(torch.__file__).parent
    found = (*root.glob("lib/libgomp*.so*"), *root.parent.glob("torch.libs/libgomp*.so*"))
    return next(iter(found), None)


def _build(compiler: str, made: Path) -> None:
    """Compile into a folder of its own beside the place, then move the library there."""
    with tempfile.TemporaryDirectory(dir=made.parent) as scratch:
        sources = [str(_HERE / name) for name in _SOURCES]
        objects = [f"{Path(source).stem}.o" for source in sources]
        for compiling, linking in _ways():
            ran = [
                _run([compiler, "-std=c++17", "-O3", "-fPIC", *compiling, "-c", *sources], scratch),
                _run([compiler, "-shared", "-o", "made.so", *objects, *linking], scratch),
            ]
            if all(ran):
                Path(scratch, "made.so").replace(made)
                return
    raise RuntimeError(f"{compiler} cannot build the kernels")


def _ways() -> Iterator[tuple[list[str], list[str]]]:
    """Flags to compile and to link with, the best first: this processor's own instructions, threads."""
    runtime = _threads_runtime()
    for native in (["-march=native"], ["-mcpu=native"], []):
        yield [*native, "-fopenmp"], [str(runtime)] if runtime else ["-fopenmp"]
    yield [], []


def _run(command: list[str], where: str) -> bool:
    return subprocess.run(command, cwd=where, capture_output=True, timeout=_SECONDS, check=False).returncode == 0
