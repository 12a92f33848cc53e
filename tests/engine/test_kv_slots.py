"""Slots are given out once each, as few long runs; an arena's tensors lie behind them, to the byte."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from chunkwise.engine.kv.arena import Arena, ArenaFull, Extent, Slots, count, cut, join
from chunkwise.errors import ChunkwiseError
from processes import run


@given(st.integers(0, 60), st.lists(st.tuples(st.integers(0, 20), st.integers(0, 9), st.integers(-1, 5)), max_size=40))
def test_any_order_of_giving_and_taking(total: int, asked: list[tuple[int, int, int]]) -> None:
    """No slot twice, none lost, as few extents as there are free ones for; the same again gives the same."""
    slots, again = Slots(total), Slots(total)
    runs: list[list[Extent]] = []
    for n, reserve, grow in asked:
        if grow >= 0 and grow < len(runs):  # one that is held grows, or goes
            if n % 2:
                slots.free(runs[grow])
                again.free(runs.pop(grow))
                slots.check([extent for held in runs for extent in held])
                continue
            after = runs[grow][-1].stop - 1
        else:
            after = None
        if n > slots.free_slots:
            free = slots.free_slots
            with pytest.raises(ArenaFull):
                slots.allocate(n, after, reserve)
            assert slots.free_slots == free
            continue
        given_ = slots.allocate(n, after, reserve)
        assert again.allocate(n, after, reserve) == given_
        assert count(given_) == n
        if given_:
            runs.append(given_)
        slots.check([extent for held in runs for extent in held])
        assert slots.free_slots == total - sum(map(count, runs))


def test_grows_where_it_lies() -> None:
    slots = Slots(100)
    (first,) = slots.allocate(10)
    assert slots.allocate(5, after=first.stop - 1) == [Extent(10, 15)]
    assert slots.allocate(1, after=3) == [Extent(15, 16)]  # there is no room behind slot 3


def test_reserve_is_room_to_grow() -> None:
    """With it two sequences that grow by turns stay in one run each; without, the control, they do not."""

    def grown(reserve: int) -> list[list[Extent]]:
        slots = Slots(100)
        held = [slots.allocate(10, reserve=reserve) for _ in range(2)]
        for left in range(reserve, reserve - 20, -1):
            for one in held:
                one[:] = join([*one, *slots.allocate(1, one[-1].stop - 1, max(left - 1, 0))])
        slots.check([extent for one in held for extent in one])
        return held

    assert grown(20) == [[Extent(0, 30)], [Extent(30, 60)]]
    assert max(map(len, grown(0))) > 1


def test_what_is_set_aside_is_given_when_there_is_nothing_else() -> None:
    slots = Slots(100)
    (first,) = slots.allocate(10, reserve=80)
    assert slots.free_slots == 90
    assert slots.allocate(10) == [Extent(90, 100)]  # what is free for all comes first
    assert slots.allocate(80) == [Extent(10, 90)]
    slots.free([Extent(10, 90)])
    assert slots.allocate(30, after=first.stop - 1, reserve=20) == [Extent(10, 40)]
    assert slots.allocate(0, after=39) == []  # nothing more will come
    assert slots.allocate(50) == [Extent(40, 90)]


def test_room_is_given_up_from_its_far_end() -> None:
    """Sequences that may become very long share what there is, and each still grows where it lies."""
    slots = Slots(100)
    held = [slots.allocate(10, reserve=1000) for _ in range(3)]
    assert held == [[Extent(0, 10)], [Extent(55, 65)], [Extent(32, 42)]]
    for one in held:
        for _ in range(20):
            one[:] = join([*one, *slots.allocate(1, one[-1].stop - 1, 1000)])
    assert held == [[Extent(0, 30)], [Extent(55, 85)], [Extent(32, 55), Extent(92, 99)]]
    slots.check([extent for one in held for extent in one])


def test_room_goes_with_the_run_that_it_was_for() -> None:
    slots = Slots(100)
    slots.free(slots.allocate(10, reserve=80))
    assert slots.allocate(95) == [Extent(0, 95)]


def test_the_smallest_extent_that_fits() -> None:
    slots = Slots(100)
    a, b, c, _ = (slots.allocate(n)[0] for n in (30, 10, 20, 40))
    slots.free([a, c])
    slots.check([b])
    assert slots.allocate(15) == [Extent(40, 55)]
    assert slots.allocate(31) == [Extent(0, 30), Extent(55, 56)]


@pytest.mark.parametrize("extent", [(0, 10), (5, 15), (15, 25), (-1, 2), (90, 101), (3, 3)])
def test_freeing_what_nobody_holds_is_an_error(extent: tuple[int, int]) -> None:
    slots = Slots(100)
    slots.allocate(30)
    slots.free([Extent(0, 20)])
    with pytest.raises(ChunkwiseError, match="nobody holds them"):
        slots.free([Extent(*extent)])
    assert slots.free_slots == 90


def test_cut_and_join() -> None:
    extents = [Extent(5, 8), Extent(8, 10), Extent(0, 2)]
    assert cut(extents, 4) == ([Extent(5, 8), Extent(8, 9)], [Extent(9, 10), Extent(0, 2)])
    assert cut(extents, 0) == ([], extents)
    assert cut(extents, 7) == (extents, [])
    assert join(extents) == [Extent(5, 10), Extent(0, 2)]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_bytes_are_the_formula(dtype: torch.dtype) -> None:
    arena = Arena(50, layers=3, kv_heads=2, dim=8, dtype=dtype)
    tensors = [*arena.keys, *arena.values]
    assert [tuple(tensor.shape) for tensor in tensors] == [(2, 50, 8)] * 6
    assert arena.bytes == sum(tensor.nbytes for tensor in tensors) == 2 * 3 * 2 * 8 * dtype.itemsize * 50
    kv = torch.randn(2, 3, 2, 7, 8).to(dtype)
    extents = [Extent(40, 44), Extent(3, 6)]
    arena.write(extents, kv)
    assert torch.equal(arena.read(extents), kv)
    assert torch.equal(arena.values[2][:, 3:6], kv[1, 2, :, 4:])


def test_memory_is_taken_when_it_is_written() -> None:
    """4 GB of arena cost next to nothing before they are used."""
    grown = run(
        """
import torch
from chunkwise.engine.kv.arena import Arena
def resident():
    return int(next(line for line in open("/proc/self/status") if line.startswith("VmRSS")).split()[1]) / 1024
torch.empty(1)
before = resident()
arena = Arena(1 << 20, layers=4, kv_heads=2, dim=64)
print(arena.bytes >> 20, resident() - before)
arena.keys[0][:, : 1 << 17].fill_(1)
print(resident() - before)
"""
    ).split()
    assert int(grown[0]) == 4096
    assert float(grown[1]) < 40
    assert 60 < float(grown[2]) < 200


def test_more_than_there_is() -> None:
    with pytest.raises(ArenaFull, match="ask for fewer"):
        Arena(1 << 40, layers=2, kv_heads=8, dim=128)


def test_slots_need_no_torch() -> None:
    assert run("import sys, chunkwise.engine.kv.tree; print('torch' in sys.modules)").strip() == "False"
