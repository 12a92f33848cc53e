"""The HTTP face of a local model: what OpenAI's clients speak.

app.py     paths, errors, events as they are sent     fields.py   what a request's JSON asks for
answers.py what comes of it, in OpenAI's shapes       metrics.py  what Prometheus reads
run.py     the server, from its start to Ctrl-C
"""

from __future__ import annotations

from chunkwise.serve.app import app
from chunkwise.serve.run import Server

__all__ = ["Server", "app"]
