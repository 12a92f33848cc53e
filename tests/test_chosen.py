"""chunkwise.toml: read where commands run, its mistakes named, and never written over what somebody wrote."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkwise.chosen import Chosen, nearest, read, spec, write
from chunkwise.errors import UserError
from chunkwise.evaluate import OURS, Pipeline
from chunkwise.recipe import build
from supplies import SUPPLIES


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    file = tmp_path / "chunkwise.toml"
    plain = Pipeline("recursive:size=200,overlap=20", "looping:of=bm25", "top-k:k=3", "static", "truncate")
    write(file, Chosen(plain, 900), ["Because it kept most."])
    assert read(file) == Chosen(plain, 900, file)
    assert "# Because it kept most." in file.read_text()
    write(file, Chosen(OURS), [])  # its own file may be written again
    assert read(file).pipeline == OURS


def test_a_list_is_one_value() -> None:
    assert spec({"branching": ["bm25", "dense"]}) == "branching:of=[[bm25]+[dense]]"
    assert spec({"linear": ["bm25", "looping"]}) == "linear:steps=[[bm25]>[looping]]"


def test_a_file_of_somebodys_own_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "chunkwise.toml"
    file.write_text("[pipeline]\nbudget = 7\n")
    with pytest.raises(UserError, match="by hand"):
        write(file, Chosen(), [])
    assert read(file).budget == 7


def test_the_nearest_counts(tmp_path: Path) -> None:
    below = tmp_path / "a" / "b"
    below.mkdir(parents=True)
    assert nearest(below) == Chosen()
    (tmp_path / "chunkwise.toml").write_text('[pipeline]\nretrieve = "bm25"\n')
    assert nearest(below).pipeline.retrieve == "bm25"
    (below / "chunkwise.toml").write_text("")
    assert nearest(below).pipeline == OURS


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("[pipeline]\nretreive = 'bm25'", "did you mean retrieve"),
        ("[pipelines]\n", "did you mean pipeline"),
        ("[pipeline]\nretrieve = 'bm52'", "did you mean 'bm25'"),
        ("[pipeline]\nretrieve = { bm25 = {}, dense = {} }", "names one recipe"),
        ("[pipeline]\nretrieve = { bm25 = 3 }", "no parameter to set"),
        ("[pipeline]\nselect = { top-k = { n = 3 } }", "no parameter 'n'"),
        ("[pipeline]\nbudget = -1", "whole number of tokens"),
        ("[pipeline]\nbudget = true", "whole number of tokens"),
        ("pipeline = 3", "as a table"),
        ("[pipeline", "cannot be read"),
        ("\udcff", "cannot be read"),
    ],
)
def test_mistakes_are_named(tmp_path: Path, text: str, says: str) -> None:
    file = tmp_path / "chunkwise.toml"
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(UserError, match=says) as raised:
        read(file)
    assert str(file) in str(raised.value)


FLOWS = {
    "linear": '{ linear = ["bm25", { looping = { rounds = 3 } }] }',
    "conditional": '{ conditional = { when = "code", then = "bm25", otherwise = { rrf = { judges = 10, k = 30 } } } }',
    "branching": '{ branching = ["bm25", { looping = { of = { rrf = { k = 9, judges = 3 } }, rounds = 3 } }] }',
    "looping": '{ looping = { of = "multiscale", rounds = 3, terms = 4 } }',
}


@pytest.mark.parametrize("pattern", FLOWS)
def test_the_four_flows_as_tables(tmp_path: Path, pattern: str) -> None:
    file = tmp_path / "chunkwise.toml"
    file.write_text(f"[pipeline]\nretrieve = {FLOWS[pattern]}\n")
    made = read(file).pipeline.retrieve
    assert made.startswith(f"{pattern}:")
    assert callable(build(made, "retrieve", SUPPLIES))


@given(st.integers(), st.booleans(), st.floats(allow_nan=False))
def test_values_of_any_kind(whole: int, truth: bool, number: float) -> None:
    made = spec({"scratch": {"a": whole, "b": truth, "c": number}})
    assert made == f"scratch:a={whole},b={str(truth).lower()},c={number}"
