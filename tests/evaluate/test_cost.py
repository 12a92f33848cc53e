"""Costs of calls: what must show in them, and what they must not swallow."""

from __future__ import annotations

import sys
import time

import numpy as np
import pytest

from chunkwise.evaluate.cost import measured, measured_apart, reader_tokens
from chunkwise.tokens import tokenizer

MIB = 2**20


def touch(mebibytes: int) -> int:
    return int(np.ones(mebibytes * MIB, dtype=np.uint8).sum())


def fail() -> None:
    raise LookupError("on purpose")


def test_a_call_gives_what_it_gives() -> None:
    result, cost = measured(lambda: "given")
    assert result == "given"
    assert cost.seconds >= 0
    assert cost.cpu_seconds >= 0


def test_sleep_takes_time_but_no_processor() -> None:
    _, cost = measured(lambda: time.sleep(0.2))
    assert cost.seconds >= 0.2
    assert cost.cpu_seconds < cost.seconds


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells the peak of one call")
def test_memory_that_was_given_back_still_shows_in_the_peak() -> None:
    big = measured(lambda: touch(200))[1].peak_bytes
    small = measured(lambda: touch(1))[1].peak_bytes
    assert big is not None
    assert small is not None
    assert 190 * MIB <= big <= 300 * MIB
    assert small < 100 * MIB  # the mark of the call before is gone


def test_a_process_of_its_own() -> None:
    result, cost = measured_apart(touch, 100)
    assert result == 100 * MIB
    assert cost.peak_bytes is None or cost.peak_bytes >= 95 * MIB


def test_errors_come_through() -> None:
    with pytest.raises(LookupError, match="on purpose"):
        measured(fail)
    with pytest.raises(LookupError, match="on purpose"):
        measured_apart(fail)


def test_reader_tokens() -> None:
    counted = tokenizer()
    assert reader_tokens([], counted) == reader_tokens([""], counted) == 0
    assert reader_tokens(["one two", "three"], counted) == counted.count("one two") + counted.count("three")
