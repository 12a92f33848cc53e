"""The one tree of errors, and of warnings: what was wrong, where, and what to do next, in one or two lines."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any


class ChunkwiseError(Exception):
    """Anything chunkwise raises on purpose. `exit_code` is what the command line leaves with."""

    exit_code = 1


class UserError(ChunkwiseError):
    """The caller asked for something that cannot be; the message says what to change."""

    exit_code = 2


class UnknownRecipe(UserError):
    """A spec names no recipe, or a parameter that the recipe has not got."""


class BudgetError(UserError):
    """A budget that is no budget, such as a negative one."""


class ReadError(ChunkwiseError):
    """A file could not be turned into a document; the run goes on without it."""


class StoreError(ChunkwiseError):
    """The knowledge base cannot be read or written as it is."""


class StaleError(StoreError):
    """The knowledge base went on while an older state of it was read; asking again reads the new one."""


class NoStore(StoreError, UserError):
    """There is no knowledge base at the path, or the path holds something else."""

    exit_code = 2


class ModelError(ChunkwiseError):
    """A local model is missing, damaged, or not of a kind that can be run."""


class EndpointError(ChunkwiseError):
    """An LLM or embedding endpoint did not answer as it should."""


class FallbackWarning(UserWarning):
    """A model failed or answered nonsense, and something simpler did its work: what, where, and what did instead."""


class UnansweredWarning(FallbackWarning):
    """A model could not be had at all, and the rest of its work was done without it.

    what: the work and the document, such as "moc on guide.md"; why: the model's own trouble; instead: what was done.
    """

    def __init__(self, what: str, why: str, instead: str) -> None:
        super().__init__(f"{what}: {why}; the rest was not asked for: {instead}")
        self.what, self.why, self.instead = what, why, instead

    @classmethod
    def of_all(cls, told: Sequence[UnansweredWarning], of: str = "document") -> UnansweredWarning:
        """One for all, in the words of the first; of: what each is about."""
        first, more = told[0], len({one.what for one in told}) - 1
        others = f" and {more:,} more {of}{'' if more == 1 else 's'}" if more else ""
        return cls(f"{first.what}{others}", first.why, first.instead)


class SkippedWarning(UserWarning):
    """Something that was given cannot be used and was left out: what, where, and why."""


@contextmanager
def heard(kind: type[Warning] | tuple[type[Warning], ...], tell: Callable[[Any], object]) -> Iterator[None]:
    """Within, every warning of that kind goes to `tell`, however often it comes; others go where they would."""
    with warnings.catch_warnings():
        show = warnings.showwarning

        def hear(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
            if issubclass(category, kind):
                tell(message)
            else:
                show(message, category, *where, **more)

        for one in kind if isinstance(kind, tuple) else (kind,):
            warnings.simplefilter("always", one)
        warnings.showwarning = hear
        yield
