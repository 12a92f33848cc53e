"""Contract: what is asked of a model in five short fields, each said once."""

from __future__ import annotations

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class Contract:
    """Who answers, why, within what bounds, what to do where that fails, and how the answer is to sound.

    Every field is one or two plain sentences; an empty one is left out of the prompt.
    """

    character: str = ""
    cause: str = ""
    constraint: str = ""
    contingency: str = ""
    calibration: str = ""

    def __str__(self) -> str:
        """The fields, a line each, under their names: what stands the same in every prompt of a kind."""
        told = ((field.name, " ".join(getattr(self, field.name).split())) for field in fields(self))
        return "\n".join(f"{name.capitalize()}: {said}" for name, said in told if said)
