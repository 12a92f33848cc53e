"""Arrays in one file: there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from chunkwise.store import arrays, signs

kinds = [np.float16, np.float32, np.int32, np.int64, np.uint8, np.uint64]
EXAMPLE = {
    "matrix": np.arange(12, dtype=np.float16).reshape(4, 3),
    "terms": np.array([1, 2**64 - 1], dtype=np.uint64),
    "none": np.zeros((0, 5), dtype=np.int32),
    "odd": np.arange(3, dtype=np.uint8),
}


@pytest.mark.parametrize("kind", kinds)
@given(data=st.data())
def test_what_is_saved_is_loaded(
    kind: type[np.generic], tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    path = tmp_path_factory.mktemp("arrays") / "a"
    shape = data.draw(arrays_of.array_shapes(min_dims=1, max_dims=2, min_side=0, max_side=5))
    array = data.draw(arrays_of.arrays(kind, shape))
    arrays.save(path, {"odd": np.zeros(3, np.uint8), "it": array}, {"note": "é"})
    found, notes = arrays.load(path)
    assert notes == {"note": "é"}
    assert found["it"].dtype == array.dtype
    np.testing.assert_array_equal(found["it"], array)


def test_they_are_mapped_and_read_only(tmp_path: Path) -> None:
    arrays.save(tmp_path / "a", EXAMPLE, {})
    found, _ = arrays.load(tmp_path / "a")
    behind = found["matrix"]
    while not isinstance(behind, np.memmap):
        behind = behind.base
    with pytest.raises(ValueError, match="read-only"):
        found["matrix"][0] = 1


def test_old_maps_outlive_a_new_file(tmp_path: Path) -> None:
    arrays.save(tmp_path / "a", {"it": np.arange(5)}, {})
    found, _ = arrays.load(tmp_path / "a")
    arrays.save(tmp_path / "a", {"it": np.arange(9)}, {})
    assert found["it"].tolist() == [0, 1, 2, 3, 4]
    assert arrays.load(tmp_path / "a")[0]["it"].tolist() == list(range(9))


def test_every_cut_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "a"
    arrays.save(path, EXAMPLE, {"generation": "3"})
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(OSError, match=r"cut short|damaged"):
            arrays.load(path)


@pytest.mark.parametrize(
    "header",
    [
        b"[]",
        b"3",
        b"null",
        b'{"a": 1}',
        b'{"a": {"dtype": "X"}}',
        b"\xff",
        b"{",
        b'{"a": {"dtype": "F32", "shape": [7], "data_offsets": [0, 4]}}',
    ],
)
def test_damage_is_noticed(tmp_path: Path, header: bytes) -> None:
    path = tmp_path / "a"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    with pytest.raises(OSError, match="damaged"):
        arrays.load(path)
    path.write_bytes(b"\xff" * 64)
    with pytest.raises(OSError, match="damaged"):
        arrays.load(path)


def test_missing(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="nothing"):
        arrays.load(tmp_path / "nothing")


def test_a_failed_save_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays.save(tmp_path / "a", {"it": np.arange(5)}, {})

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="space"):
        arrays.save(tmp_path / "a", {"it": np.arange(9)}, {})
    assert [entry.name for entry in tmp_path.iterdir()] == ["a"]
    assert arrays.load(tmp_path / "a")[0]["it"].tolist() == [0, 1, 2, 3, 4]


@given(
    arrays_of.arrays(
        np.float32, st.tuples(st.integers(0, 4), st.integers(1, 130)), elements=st.sampled_from([-1, 0, 1])
    )
)
def test_signs(vectors: np.ndarray) -> None:
    found = signs(vectors)
    assert found.dtype == np.uint64
    assert found.shape == (len(vectors), -(-vectors.shape[1] // 64))
    assert np.bitwise_count(found).sum(axis=1).tolist() == (vectors > 0).sum(axis=1).tolist()
    if len(vectors) > 1:
        apart = int(np.bitwise_count(found[0] ^ found[1]).sum())
        assert apart == int(((vectors[0] > 0) != (vectors[1] > 0)).sum())
