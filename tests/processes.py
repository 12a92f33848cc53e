"""Python in a process of its own, with the package of this checkout."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

SOURCES = str(Path(__file__).parents[1] / "src")


def start(code: str, *arguments: object, **options: Any) -> subprocess.Popen[str]:
    """Begin to run some code; its output is captured."""
    path = os.pathsep.join(filter(None, (SOURCES, os.environ.get("PYTHONPATH"))))
    environment = {**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", code, *map(str, arguments)],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment, **options,
    )  # fmt: skip


def heed_interrupts() -> None:
    """For `preexec_fn`: a shell starts what runs in its background deaf to Ctrl-C, and its children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def run(code: str, *arguments: object, **options: Any) -> str:
    """What some code prints; fails with what it complained of when it does not end well."""
    with start(code, *arguments, **options) as process:
        printed, complained = process.communicate(timeout=120)
    assert process.returncode == 0, complained
    return printed
