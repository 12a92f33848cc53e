"""The running Python's own standard library as a corpus: real text, the same on every machine of one version."""

from __future__ import annotations

import random
import shutil
import sysconfig
from pathlib import Path

SKIPPED = {"test", "tests", "idle_test", "site-packages", "__pycache__"}
SEED = 0

QUESTIONS = (
    "how do I run a coroutine from another thread?",
    "how can I wait for several tasks and cancel the rest when one fails?",
    "what is the difference between a shallow copy and a deep copy?",
    "how do I parse command line arguments with subcommands?",
    "how do I read a zip archive member without extracting it?",
    "which exception is raised when a JSON document is invalid?",
    "how do I make a temporary directory that is removed automatically?",
    "how does functools.lru_cache decide which entry to drop?",
    "how can I compare two files line by line and show the difference?",
    "how do I send an email with an attachment over TLS?",
    "how do I limit how many threads run at once in a pool?",
    "how are time zones with daylight saving handled in datetime?",
    "how do I walk a directory tree recursively and skip some folders?",
    "what does the garbage collector do with reference cycles?",
    "how do I open a subprocess and read its output without a deadlock?",
    "how do I keep a priority queue ordered?",
    "how can I pickle an object that holds an open file?",
    "how does the csv module guess the dialect of a file?",
    "how do I set a timeout on a socket?",
    "how do I log to a file that rotates at midnight?",
    "how can a decorator keep the name and docstring of the function it wraps?",
    "how do I match a regular expression across several lines?",
    "how do I compute the median of grouped data?",
    "how do I verify the host name of an SSL certificate?",
)


def files() -> list[Path]:
    """Its .py files, without the tests and without what is installed on top."""
    root = Path(sysconfig.get_paths()["stdlib"])
    return [path for path in sorted(root.rglob("*.py")) if not SKIPPED & set(path.relative_to(root).parts)]


def copy(to: Path, only: list[Path] | None = None) -> Path:
    """Those files (or some of them) under `to`, so that every system reads the same folder."""
    root = Path(sysconfig.get_paths()["stdlib"])
    for path in files() if only is None else only:
        target = to / path.relative_to(root)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    return to


def sample(share: float) -> list[Path]:
    """Files drawn at random until they hold `share` of the bytes."""
    drawn = files()
    random.Random(SEED).shuffle(drawn)
    wanted = share * sum(path.stat().st_size for path in drawn)
    taken: list[Path] = []
    while wanted > 0:
        taken.append(drawn[len(taken)])
        wanted -= taken[-1].stat().st_size
    return taken
