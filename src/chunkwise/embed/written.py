"""Written contexts: a sentence or two that say where a chunk stands, by a language model or by the document itself."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import TypeAlias

import numpy as np

from chunkwise.asking import MATERIAL, Asking, fenced
from chunkwise.embed.views import neighbourhood, opening, sections
from chunkwise.models import Ask, Notes
from chunkwise.units import Document, Span, place_id

Contexts: TypeAlias = Callable[[Document, Sequence[Span]], list[str]]
"""A context for each chunk, "" where there is none."""

NOTE = "context"
MOST_WORDS = 80  # of a context; a reply goes on after that where it goes astray

_LABEL = re.compile(r"^\W*(?:here is |here's )?(?:the |a )?(?:short |succinct )?context[^:\n]{0,40}:\s*", re.IGNORECASE)


def asked(ask: Ask, notes: Notes, shown: int) -> Contexts:
    """Contexts that a model writes, one question for each chunk, kept as notes of their places.

    shown: characters of the document before the question, so many around the chunk where it is longer. All prompts
    about one stretch begin with it, so that an endpoint which caches prefixes reads it once.
    """

    def contexts(document: Document, spans: Sequence[Span]) -> list[str]:
        places = [bytes.fromhex(place_id(document.id, *span)) for span in spans]
        ids = np.frombuffer(b"".join(places), dtype="V16")
        found = notes.notes(NOTE, ids)
        missing = [at for at in range(len(spans)) if at not in found and document.text[slice(*spans[at])].strip()]
        with Asking(ask, f"contextual on {document.source}", "the chunk stands alone") as asking:
            prompts = [_prompt(document.text, spans[at], shown) for at in missing]
            for at, reply in zip(missing, asking.each(prompts), strict=True):
                if reply is None:
                    continue
                if context := _context(reply):
                    found[at] = context
                else:
                    asking.misread()
        if written := [at for at in missing if at in found]:
            notes.put_notes(NOTE, ids[written], [found[at] for at in written])
        return [found.get(at, "") for at in range(len(spans))]

    return contexts


def outlined(document: Document, spans: Sequence[Span]) -> list[str]:
    """The document's title and first sentence, and the headings over the chunk, save what the chunk says itself."""
    said = opening(document)
    told = []
    for span, section in zip(spans, sections(document, spans), strict=True):
        headings = " > ".join(section.path)
        own = document.text[slice(*span)]
        told.append(
            " ".join(
                f"{part}." if part[-1].isalnum() else part for part in (said, headings) if part and part not in own
            )
        )
    return told


def _prompt(text: str, span: Span, shown: int) -> str:
    block = span.start // shown * shown  # the same for all chunks that begin in it
    whole = text if len(text) <= shown else neighbourhood(text, Span(block, min(len(text), block + shown)), shown // 8)
    return (
        f"{MATERIAL}{fenced(whole)}\nAbove is a document, and this is one chunk of it:\n{fenced(text[slice(*span)])}\n"
        "Write one or two short sentences that place this chunk in the document: who and what it speaks of, by name, so"
        " that a search finds it. Answer with those sentences alone."
    )


def _context(reply: str) -> str:
    """The reply as one line, "" where it says nothing."""
    words = _LABEL.sub("", reply.replace("```", " ").strip(), count=1).split()[:MOST_WORDS]
    said = " ".join(words).strip("\"'* ")
    return said if sum(letter.isalpha() for letter in said) >= 8 else ""
