"""Where the models come from that recipes are made of: each made when a recipe first asks for it, and then kept."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

from chunkwise.models import Ask, CausalLM, Kept, Supplies
from chunkwise.prompt import Message


def supplies(embedder: str = "minilm", llm: str | None = None) -> Supplies:
    """What makes `embed`, `lm`, `notes` and `ask`; `lm` is the byte model that comes with the package.

    embedder: as `chunkwise.embed.embedder` takes it; llm: "URL#model" or "local:DIR", or None for what OPENAI_BASE_URL
    names: then `ask` is there only when that is set.
    """
    import os

    made: dict[str, Callable[[], Any]] = {"embed": cache(lambda: _embed(embedder, made)), "lm": cache(_lm)}
    made["notes"] = cache(Kept)
    if llm or os.environ.get("OPENAI_BASE_URL"):
        made["ask"] = cache(lambda: _ask(llm))
    return made


def _embed(spec: str, others: Supplies) -> Any:
    from chunkwise.embed import embedder

    return embedder(spec, others)


def _lm() -> CausalLM:
    from chunkwise.engine.byte_lm import ByteLM

    return ByteLM()


def _ask(spec: str | None) -> Ask:
    from chunkwise.llm import named

    llm = named(spec)
    return lambda prompt: llm.complete([Message(role="user", content=prompt)]).text
