"""What a text repeats is foretold better, by chances that still add up to one."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from chunkwise.engine import recall
from chunkwise.engine.recall import STRENGTHS, recalled
from chunkwise.units import Floats


def slow(read: bytes, at: int, byte: int, chance: float) -> float:
    """The chance of that byte at that place, by counting."""
    for order, strength in STRENGTHS.items():
        padded = b"\x00" * order + read[:at]
        context = padded[len(padded) - order :]
        before = [place for place in range(at) if (b"\x00" * order + read)[place : place + order] == context]
        followed = sum(read[place] == byte for place in before)
        chance = (followed + strength * chance) / (len(before) + strength)
    return chance


def flat(length: int) -> Floats:
    return np.full(length, np.log(256), np.float32)


@given(st.binary(max_size=60).map(lambda read: bytes(byte % 3 + 97 for byte in read)), st.integers(0, 60))
def test_it_is_a_hierarchy_of_counts(read: bytes, told: int) -> None:
    told = min(told, len(read))
    found = recalled(np.frombuffer(read, np.uint8), flat(len(read) - told))
    expected = [-np.log(slow(read, at, read[at], 1 / 256)) for at in range(told, len(read))]
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_the_chances_of_every_byte_add_up_to_one() -> None:
    start = np.frombuffer(b"abcabcabcabcabcabcab", np.uint8)
    every = [recalled(np.append(start, np.uint8(byte)), flat(1))[0] for byte in range(256)]
    assert abs(np.exp(-np.array(every)).sum() - 1) < 1e-5
    assert np.argmin(every) == ord("c")


def test_no_more_is_remembered_than_two_blocks() -> None:
    part = np.random.default_rng(1).integers(97, 123, recall.MEMORY, dtype=np.uint8)
    near, far = np.concatenate([part, part]), np.concatenate([part, part[::-1], part])
    assert recalled(near, flat(recall.MEMORY)).mean() < 0.5 * np.log(256)
    assert recalled(far, flat(recall.MEMORY)).mean() > 0.8 * np.log(256)
