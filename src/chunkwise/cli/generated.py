"""A local model as a person starts it, and its text as it comes."""

from __future__ import annotations

import re
import time
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from chunkwise.cli import show
from chunkwise.errors import UserError

if TYPE_CHECKING:
    from chunkwise.engine.complete import Completer

_UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "T": 10**12}


def size(text: str) -> int:
    """Bytes of a size such as 2GB or 512M; UserError for what is none."""
    found = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) *([KMGT]?)B?", text.strip(), re.IGNORECASE)
    if not found:
        raise UserError(f"{text!r} is no size; write it like 2GB or 512MB")
    return int(float(found[1]) * _UNITS[found[2].upper()])


def completer(
    model: Path,
    memory: str,
    scheduler: str = "sarathi-serve",
    quantise: str | None = None,
    spill: Path | None = None,
) -> Completer:
    """The model of a folder, loaded."""
    if quantise not in (None, "int8"):
        raise UserError(f"there is no {quantise!r} to quantise to; write --quantise int8 or leave it out")
    held = size(memory)
    if not model.is_dir():
        raise UserError(f"{model}: no such folder; give a Hugging Face model folder")
    try:
        from chunkwise.engine.complete import Completer
    except ModuleNotFoundError as error:
        raise UserError(f"{error.name} is not installed; run: pip install 'chunkwise[serve]'") from error

    return Completer.load(model, memory=held, scheduler=scheduler, quantise="int8" if quantise else None, spill=spill)


def told(completer: Completer, prompt: str, max_tokens: int | None, sampler: str, seed: int | None, chat: bool) -> None:
    """The text on stdout as it comes; what it cost beside it."""
    from chunkwise.engine.complete import Ask, Done, Failed
    from chunkwise.engine.sample import transforms

    tokenizer, began = completer.tokenizer, time.perf_counter()
    text = tokenizer.chat([{"role": "user", "content": prompt}]) if chat else prompt
    ask = Ask(tokenizer.encode(text, special=not chat), max_tokens, transform=transforms(sampler), seed=seed)
    with closing(completer.events(ask)) as events:
        for event in events:
            if isinstance(event, Failed):
                raise event.error
            if not isinstance(event, Done):
                show.out(event.text, end="")
                continue
            seconds = time.perf_counter() - began
            show.out("")
            rate = event.completion / seconds
            show.aside(f"{event.prompt:,} + {event.completion:,} tokens in {seconds:.1f} s, {rate:.1f} a second")
