"""The front is what nothing beats; the choice leaves the default only for what is likely to be better."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from chunkwise.evaluate import OURS, Cell
from chunkwise.tune import Point, choose, front, points, space

OTHER = replace(OURS, retrieve="bm25")

found = st.lists(
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(0, 9)).map(
        lambda one: Point(OURS, 100, float(one[0]), float(one[1]), one[2] / 9)
    ),
    max_size=12,
)


@given(found, st.sampled_from(["tokens", "milliseconds"]))
def test_the_front_is_what_nothing_beats(all_points: list[Point], cost: str) -> None:
    leading = front(all_points, cost)

    def beaten(point: Point) -> bool:
        at = getattr(point, cost)
        return any(
            (getattr(one, cost) <= at and one.recall > point.recall)
            or (getattr(one, cost) < at and one.recall >= point.recall)
            for one in all_points
        )

    assert {(getattr(one, cost), one.recall) for one in leading} == {
        (getattr(one, cost), one.recall) for one in all_points if not beaten(one)
    }
    assert [getattr(one, cost) for one in leading] == sorted(getattr(one, cost) for one in leading)


def cell(pipeline: object, *recall: float) -> Cell:
    return Cell(pipeline, 100, recall=recall, tokens=90.0, question_ms=5.0)  # type: ignore[arg-type]


def test_noise_does_not_move_us_from_the_default() -> None:
    own, other = [1.0, 0.0] * 10, [1.0, 0.0] * 9 + [1.0, 1.0]
    other[0] = 0.5
    chosen = choose([cell(OURS, *own), cell(OTHER, *other)])
    assert chosen is not None
    assert chosen.pipeline == OURS
    assert "too few to leave the default" in chosen.why[1]


def test_what_is_better_is_taken_and_said_how_sure() -> None:
    own, other = [0.0, 1.0] * 20, [1.0, 1.0] * 20
    chosen = choose([cell(OURS, *own), cell(OTHER, *other)])
    assert chosen is not None
    assert chosen.pipeline == OTHER
    assert chosen.sure == 1.0
    assert "+50.0 points" in chosen.why[1]


def test_a_tie_stays_with_the_default() -> None:
    chosen = choose([cell(OTHER, 1.0, 0.5), cell(OURS, 0.5, 1.0)])
    assert chosen is not None
    assert chosen.pipeline == OURS


def test_nothing_measured_nothing_chosen() -> None:
    assert choose([Cell(OURS, 100, error="broken")]) is None
    assert points([Cell(OURS, 100, error="broken")]) == []


def test_the_space_starts_from_our_default_and_is_drawn_by_its_seed() -> None:
    assert space(1) == (OURS,)
    assert len(set(space(24))) == 24
    assert space(24, 3) == space(24, 3) != space(24, 4)
    assert all(one.embed != "none" or one.retrieve != "rrf" for one in space(400))
