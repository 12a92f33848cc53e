"""Models as the command line supplies them."""

from __future__ import annotations

from typing import Any

import pytest

from chunkwise.errors import EndpointError
from chunkwise.supplies import supplies
from llm_server import Server, status, whole


def test_a_dead_endpoint_is_waited_for_once_until_it_answers_again(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[Any] = []
    monkeypatch.setattr("time.sleep", pauses.append)
    down, up = status(503, "down"), whole("yes")
    with Server(*[down] * 4, *[down] * 2, up, *[down] * 3, up) as server:
        ask = supplies(llm=server.spec)["ask"]()
        for tries in (4, 5, 6):
            with pytest.raises(EndpointError, match="down"):
                ask("?")
            assert len(server.requests) == tries
        assert ask("?") == "yes"
        assert ask("?") == "yes"
        assert len(server.requests) == 11
