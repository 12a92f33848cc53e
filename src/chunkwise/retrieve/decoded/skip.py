"""Skip: where evidence ends that begins at a sentence, without writing it down."""

from __future__ import annotations

from collections.abc import Sequence

from chunkwise.models import CausalLM
from chunkwise.units import Span

END = "\n\n"  # what follows when all has been said: a paragraph's end, which any model of text knows


def skipped(lm: CausalLM, prompt: str, text: str, start: int, ends: Sequence[int]) -> Span:
    """The span from `start` to the one of `ends` after which the model holds it likeliest that no more is said.

    ends: where the first sentence ends, and those after it, ascending; of equals the first is taken.

    Source: CFIC (Qian et al., Grounding Language Model with Chunking-Free In-Context Retrieval), its skip decoding.
    """
    chances = [float(lm.choose(prompt + text[start:end].rstrip(), [END])[0]) for end in ends]
    return Span(start, ends[chances.index(max(chances))])
