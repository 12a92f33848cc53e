"""What fell back while a pipeline was measured, in a few lines."""

from __future__ import annotations

from collections import Counter

from chunkwise.errors import FallbackWarning, UnansweredWarning

SHOWN = 3  # kinds of replies that could not be used, and the like


class Fallen:
    """Hears warnings, as `chunkwise.errors.heard` calls it; of: what each is of, such as "question"."""

    def __init__(self, of: str) -> None:
        self._of = of
        self._told = Counter[str]()
        self._unanswered: list[UnansweredWarning] = []

    def __call__(self, warning: FallbackWarning) -> None:
        """Note a warning."""
        if isinstance(warning, UnansweredWarning):
            self._unanswered.append(warning)
        else:
            self._told[str(warning)] += 1

    @property
    def unanswered(self) -> bool:
        """Whether a model gave no answer at all."""
        return bool(self._unanswered)

    @property
    def lines(self) -> tuple[str, ...]:
        """A line for all that a model did not answer, and the commonest of the rest, with how often."""
        lines = [str(UnansweredWarning.of_all(self._unanswered, self._of))] if self._unanswered else []
        lines += [f"{count} x {said}" if count > 1 else said for said, count in self._told.most_common(SHOWN)]
        if len(self._told) > SHOWN:
            lines.append(f"and {len(self._told) - SHOWN} more like it")
        return tuple(lines)
