"""How far a long run is: a bar on the terminal, nothing anywhere else."""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from types import TracebackType
from typing import TYPE_CHECKING, Self

from chunkwise.cli.show import is_terminal, note

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

    from chunkwise.compare import Step
    from chunkwise.index import Progress
    from chunkwise.tune import Trial

PATIENCE = 1.0  # seconds before there is anything to see


class _Bar(ABC):
    """A bar on stderr once a run takes over a second; quiet when that is piped."""

    first = ""  # what is said before anything is known

    def __init__(self) -> None:
        self._bar: Bar | None = None
        self._began = time.perf_counter()
        self._lock = threading.Lock()
        self._over = False
        self._timer = threading.Timer(PATIENCE, self._start)
        self._timer.daemon = True

    def __enter__(self) -> Self:
        if is_terminal("stderr"):
            self._timer.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self._timer.cancel()
        with self._lock:
            self._over = True
            if self._bar is not None:
                self._bar.stop()

    def _changed(self) -> None:
        if self._bar is not None:
            self._show(self._bar)

    def _start(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

        with self._lock:
            if self._over:
                return
            bar = Progress(
                TextColumn("{task.description}", markup=False),
                BarColumn(bar_width=None),
                TextColumn("{task.fields[count]}"),
                TextColumn("[dim]{task.fields[rate]}"),
                TimeRemainingColumn(compact=True),
                console=Console(stderr=True),
                transient=True,
                expand=True,
            )
            bar.add_task(self.first, total=None, count="", rate="")
            bar.start()
            self._bar = bar
            self._show(bar)

    @abstractmethod
    def _show(self, bar: Bar) -> None:
        """Bring the bar up to what is known."""


class IndexBar(_Bar):
    """Files, chunks per second (or questions, where a language model is asked) and time left."""

    first = "looking for files"
    _at: Progress | None = None

    def update(self, progress: Progress) -> None:
        """Note how far the run is."""
        self._at = progress
        self._changed()

    def wait(self, who: str) -> None:
        """Say who is being waited for."""
        note(f"waiting for {who}, which is writing to this knowledge base")

    def _show(self, bar: Bar) -> None:
        if (at := self._at) is None:
            return
        rate = f"{at.chunks / max(1e-9, time.perf_counter() - self._began):,.0f} chunks/s"
        bar.update(
            bar.task_ids[0],
            description="indexing" if at.files < at.of else "finishing",
            completed=at.files,
            total=at.of,
            count=f"{at.files:,} of {at.of:,} files",
            rate=f"{at.questions:,} questions asked" if at.questions else rate,
        )


class CompareBar(_Bar):
    """Questions asked of every pipeline, and which one it is."""

    first = "reading documents"
    _at: Step | None = None

    def update(self, step: Step) -> None:
        """Note how far the run is."""
        self._at = step
        self._changed()

    def _show(self, bar: Bar) -> None:
        if (at := self._at) is not None:
            count = f"{at.done:,} of {at.of:,} questions"
            bar.update(bar.task_ids[0], description=at.doing, completed=at.done, total=at.of, count=count)


class TuneBar(_Bar):
    """Trials done of those planned, what is tried, and the time that is left."""

    first = "reading documents"
    _at: Trial | None = None

    def update(self, trial: Trial) -> None:
        """Note how far the run is."""
        self._at = trial
        self._changed()

    def _show(self, bar: Bar) -> None:
        if (at := self._at) is not None:
            count, left = f"trial {int(at.done) + 1} of {at.of}", f"{at.left // 60:.0f}:{at.left % 60:02.0f} left"
            bar.update(bar.task_ids[0], description=at.doing, completed=at.done, total=at.of, count=count, rate=left)


class SimulateBar(_Bar):
    """Requests that were served, over all schedulers and engines."""

    first = "reading requests"
    _at: tuple[str, int, int] | None = None

    def update(self, scheduler: str, done: int, of: int) -> None:
        """Note how far the run is."""
        self._at = (scheduler, done, of)
        self._changed()

    def _show(self, bar: Bar) -> None:
        if self._at is not None:
            doing, done, of = self._at
            bar.update(
                bar.task_ids[0], description=doing, completed=done, total=of, count=f"{done:,} of {of:,} requests"
            )
