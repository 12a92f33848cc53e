"""Trained heads: only those that came with the package, and only for the embedder that they were trained on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from chunkwise.embed import heads as room
from chunkwise.embed.heads import FOLDER, SHA256, Head, digest, heads
from chunkwise.errors import ModelError, UserError

MINILM = "minilm-53aa5117"


def test_those_that_come_with_the_package() -> None:
    for file in SHA256:
        assert (FOLDER / file).stat().st_size < 200_000
    (insent,), (sitemb,) = heads("insent-conteb", MINILM), heads("sitemb", MINILM)
    assert insent.keep == 1
    assert 0 < sitemb.keep < 1
    assert len(heads("dewey", MINILM, ("chunk.", "document."))) == 2
    assert insent.down.shape == (384, room.RANK)
    assert digest("sitemb") != digest("insent-conteb")


def test_no_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match="no head for bge-12345678"):
        heads("sitemb", "bge-12345678")
    with pytest.raises(UserError, match="is for minilm-53aa5117, not for minilm-00000000"):
        heads("sitemb", "minilm-00000000")
    whole = (FOLDER / "sitemb-minilm.safetensors").read_bytes()
    (tmp_path / "sitemb-minilm.safetensors").write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    monkeypatch.setattr(room, "FOLDER", tmp_path)
    with pytest.raises(ModelError, match="install it again"):
        heads("sitemb", MINILM)


def test_a_head_keeps_a_part_and_adds_another() -> None:
    head = Head(0.5, np.eye(3, 1, dtype=np.float32), np.array([[0, 0, 2]], np.float32))
    np.testing.assert_allclose(head(np.eye(3, dtype=np.float32)), [[0.5, 0, 2], [0, 0.5, 0], [0, 0, 0.5]])
    assert head(np.empty((0, 3), np.float32)).shape == (0, 3)
