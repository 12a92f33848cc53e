"""Any runs of text make elements that lie in the text in order."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chunkwise.read.boxes import Runs, elements

numbers = st.sampled_from([0.0, 1.0, -1.0, 12.0, 300.0, -700.0, 1e9, 1e-9])
matrix = st.lists(numbers, min_size=6, max_size=6)
font = st.none() | st.fixed_dictionaries({"/BaseFont": st.sampled_from(["/Helvetica-Bold", "/Times", None])})
drawn = st.tuples(st.text(alphabet="ab1.- \n\r\x0c•é", max_size=12), matrix, matrix, font, numbers)


@given(st.lists(drawn, max_size=20))
def test_any_page(pieces: list[tuple[str, list[float], list[float], dict[str, str] | None, float]]) -> None:
    runs = Runs()
    for piece in pieces:
        runs.visit(*piece)
    text = "".join(piece[0] for piece in pieces).rstrip()
    found = list(elements(text, runs.found, 7, 800.0, 100))
    edges = [100, *(edge for at in found for edge in at.span)]
    assert edges == sorted(edges)
    assert edges[-1] <= 100 + len(text)
    assert all(at.page == 7 and at.box and at.box[0] <= at.box[2] and at.box[1] <= at.box[3] for at in found)
    assert bool(found) == bool(text.strip())
