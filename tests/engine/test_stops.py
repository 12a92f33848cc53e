"""Stop strings: what comes out never depends on how the text came."""

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from chunkwise.engine.stops import Until

words = st.text("ab🙂", max_size=12)
stops = st.lists(st.text("ab🙂", min_size=1, max_size=4), max_size=3)


@given(words, stops, st.lists(st.integers(0, 12)))
def test_it_is_the_text_up_to_the_first_stop_string_that_is_whole(text, stops, cuts):
    ends = [(end, -len(stop)) for stop in stops for end in range(len(text) + 1) if text[:end].endswith(stop)]
    expected = text[: sum(min(ends))] if ends else text
    until = Until(stops)
    told = []
    edges = sorted({0, len(text), *(cut for cut in cuts if cut < len(text))})
    for start, stop in pairwise(edges):
        told.append(until.put(text[start:stop]))
        so_far = "".join(told)
        assert expected.startswith(so_far)  # nothing that would have to be taken back
    assert "".join(told) + until.end() == expected
    assert until.met == bool(ends)


def test_nothing_is_held_back_that_can_be_told():
    until = Until(["stop"])
    assert [until.put(text) for text in ("no", " sto", "ck", "s", "top")] == ["no", " ", "stock", "", ""]
    assert until.met
