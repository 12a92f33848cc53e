"""A server from its start to Ctrl-C: what is under way is told that it ends, then the port is closed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable

import uvicorn

from chunkwise.engine.complete import Completer
from chunkwise.errors import UserError
from chunkwise.serve.app import app


class Server(uvicorn.Server):
    """Serves a completer, which it closes at the end. `run()` returns when it was interrupted.

    port: 0 for any that is free; on_start: called with the URL when requests are taken.
    Raises UserError for a host or a port that cannot be had.
    """

    def __init__(
        self,
        completer: Completer,
        host: str = "127.0.0.1",
        port: int = 8000,
        on_start: Callable[[str], object] = lambda url: None,
    ) -> None:
        self._completer, self._on_start = completer, on_start
        try:
            family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
            self._socket = socket.create_server((host, port), family=family, backlog=2048)
        except OSError as error:
            raise UserError(
                f"cannot listen on {host}:{port}: {error.strerror}; give another --host or --port"
            ) from error
        shown = f"[{host}]" if ":" in host else host
        self.url = f"http://{shown}:{self._socket.getsockname()[1]}"
        super().__init__(
            uvicorn.Config(app(completer), log_level="error", access_log=False, lifespan="off", backlog=2048)
        )

    def run(self, sockets: list[socket.socket] | None = None) -> None:
        """Serve until interrupted."""
        try:
            super().run(sockets or [self._socket])
        finally:
            self._completer.close()
            self._socket.close()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to take requests."""
        await super().startup(sockets)
        self._on_start(self.url)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End what is under way, with an error that says so, before the connections are waited for."""
        await asyncio.to_thread(self._completer.close)
        await super().shutdown(sockets)
