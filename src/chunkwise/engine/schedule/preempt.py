"""What becomes of a request that has to give up its slots."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Preempt:
    """copies: its keys and values are copied out and back; otherwise they are computed again.

    per_copy: slots that one copy moves at most, a block or a run of them; overlapped: the engine goes on meanwhile;
    kept: what was copied out once and has not changed is not copied out again.
    """

    copies: bool = False
    per_copy: int = 16
    overlapped: bool = False
    kept: bool = False

    def moved(self, held: int, before: int) -> tuple[int, int]:
        """Slots, and copies, that it takes to bring out `held` slots of which `before` lie outside already."""
        slots = held - (before if self.kept else 0)
        return slots, -(-slots // self.per_copy)


def recompute() -> Preempt:
    """Dropped; prompt and produced tokens are prefilled again."""
    return Preempt()


def swap(per_copy: int = 16, overlapped: bool = False, kept: bool = False) -> Preempt:
    """Copied out, and back before it goes on."""
    return Preempt(True, per_copy, overlapped, kept)


def doubled(slots: int, needed: int) -> int:
    """`slots`, doubled until `needed` go in with one to spare: what a request comes back with that outgrew its own."""
    while slots <= needed and needed:
        slots *= 2
    return slots
