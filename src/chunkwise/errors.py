"""The one tree of errors: what was wrong, where, and what to do next, in one or two lines."""

from __future__ import annotations


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


class SkippedWarning(UserWarning):
    """Something that was given cannot be used and was left out: what, where, and why."""
