"""Compressors: passages in, passages that cost less out."""

from __future__ import annotations

from collections.abc import Sequence

from chunkwise.budget import Budget
from chunkwise.compress import Compressor
from chunkwise.compress.extract import kept
from chunkwise.recipe import recipe
from chunkwise.tokens import Tokenizer
from chunkwise.units import Passage, Span


@recipe(
    "truncate",
    family="compress",
    seed="The plain control: what most pipelines do with a prompt that is too long",
    claim="keeps the best passages whole and the beginning of the last one that fits, and no more",
)
def truncate(*, tokenizer: Tokenizer) -> Compressor:
    """Passages by score as long as they fit, and the beginning of the first that does not."""

    def compress(query: str, passages: Sequence[Passage], budget: Budget) -> list[Passage]:
        left, taken = budget.tokens, dict[int, Passage]()
        saying = (at for at, passage in enumerate(passages) if passage.text.strip())
        for at in sorted(saying, key=lambda at: (-passages[at].score, at)):
            passage = passages[at]
            if passage.tokens <= left:
                taken[at] = passage
                left -= passage.tokens
                continue
            if (beginning := _beginning(passage, left, tokenizer)) is not None:
                taken[at] = beginning
            break
        return [taken[at] for at in sorted(taken)]

    return compress


def _beginning(passage: Passage, tokens: int, tokenizer: Tokenizer) -> Passage | None:
    """As much of the passage's beginning as `tokens` buy."""
    starts = tokenizer.offsets(passage.text).starts
    while tokens > 0:
        end = int(starts[tokens]) if tokens < len(starts) else len(passage.text)
        cut = kept(passage, [Span(0, end)], tokenizer)
        if cut is None or cut.tokens <= tokens:
            return cut
        tokens -= 1  # a cut tokenises otherwise at its end
    return None
