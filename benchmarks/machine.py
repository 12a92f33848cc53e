"""What a figure is measured on: the machine, the versions, the command, no network."""

from __future__ import annotations

import datetime as dt
import importlib.metadata
import importlib.util
import os
import platform
import resource
import sys
from pathlib import Path

RESULTS = Path(__file__).parent / "results"


def setting(*packages: str) -> dict[str, str]:
    """The date, machine, Python, command and installed versions, as lines for a report."""
    return {
        "date": dt.datetime.now(dt.UTC).strftime("%Y-%m-%d"),
        "machine": f"{_processor()}, {os.cpu_count()} cores, {_memory_gb():.0f} GB, {platform.system()}",
        "load": f"{os.getloadavg()[0]:.1f} processes at the end, on average over a minute",
        "python": platform.python_version(),
        "command": _command(),
        "versions": ", ".join(f"{name} {_version(name)}" for name in packages),
    }


def as_markdown(lines: dict[str, str]) -> str:
    """`setting` as a list for the foot of a table."""
    return "\n".join(f"- {name}: {value}" for name, value in lines.items())


def offline() -> None:
    """Keep the peers from reaching for the network; tiktoken's vocabulary lies in llama-index's wheel."""
    spec = importlib.util.find_spec("llama_index.core")
    assert spec is not None
    assert spec.origin is not None
    os.environ |= {
        "TIKTOKEN_CACHE_DIR": str(Path(spec.origin).parent / "_static" / "tiktoken_cache"),
        "HF_HUB_OFFLINE": "1",
        "HAYSTACK_TELEMETRY_ENABLED": "False",
        "TOKENIZERS_PARALLELISM": "false",
    }


def _command() -> str:
    # A folder given on the command line is the reader's own business: its last part says which one it was.
    arguments = [Path(argument).name if Path(argument).is_absolute() else argument for argument in sys.argv[1:]]
    spec = sys.modules["__main__"].__spec__
    name = spec.name.removesuffix(".__main__") if spec else f"benchmarks.{Path(sys.argv[0]).stem}"
    return " ".join(["python -m", name, *arguments])


def _version(package: str) -> str:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        if package == "chunkwise":
            import chunkwise

            return chunkwise.__version__
        return "not installed"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        return next(line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.processor() or platform.machine()


def _memory_gb() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9


def peak_mb() -> float:
    """The most memory that this process held at once, in MiB; of this program alone where the system tells."""
    # VmHWM belongs to this program alone; ru_maxrss can carry over what stood in the process before it.
    status = Path("/proc/self/status")
    if status.exists():
        line = next(line for line in status.read_text().splitlines() if line.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
