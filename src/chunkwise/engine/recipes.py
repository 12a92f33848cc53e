"""Ways to attend, each an exact softmax over what it hears; those that need torch fetch it when they are built."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeAlias

from chunkwise.errors import UserError
from chunkwise.recipe import recipe

if TYPE_CHECKING:
    from torch import Tensor

    from chunkwise.engine.attention import Part, Plan
    from chunkwise.engine.bias import Factors

Planner: TypeAlias = "Callable[[Sequence[Part]], Plan]"
"""Who hears what -> how it is computed, for `attend`."""


@recipe(
    "hydragen",
    family="kv-reuse",
    seed="Hydragen: High-Throughput LLM Inference with Shared Prefixes",
    claim="reads a prefix that sequences share once for all of them, trees of prefixes too, and equals full attention",
)
def hydragen() -> Planner:
    """Attention over a shared run by all its rows at once, over each row's own apart, merged by log-sum-exp.

    Every part that several rows name alike is one product of all their queries with its keys. The paper's throughput
    is a GPU's; here the gain is bounded by arithmetic (see `benchmarks/results/engine`).
    """
    from chunkwise.engine.attention import Plan

    return Plan


@recipe(
    "chunkattention",
    family="kv-reuse",
    seed="ChunkAttention: Efficient Self-Attention with Prefix-Aware KV Cache and Two-Phase Partition",
    claim="finds what sequences share by itself, chunk by chunk, and reads each shared chunk once, where runs that are "
    "named differently would be read apart",
)
def chunkattention(chunk: int = 64) -> Planner:
    """Parts cut into chunks; first every chunk that several rows hear, for all of them, then each row's own.

    chunk: slots. The tree that holds each chunk once is `kv/`; the partials are merged by log-sum-exp.
    """
    if chunk < 1:
        raise UserError(f"chunkattention cannot cut chunks of {chunk} slots; write chunk=1 or more")

    def planned(parts: Sequence[Part]) -> Plan:
        from chunkwise.engine.attention import Plan, cut

        return Plan(cut(parts, chunk))

    return planned


@recipe(
    "flashbias",
    family="other",
    seed="FlashBias: Fast Computation of Attention with Bias",
    claim="adds a bias of low rank to attention by appending its factors to queries and keys: ALiBi exactly, others "
    "with an error that falls with the rank, and no bias of all pairs is held",
)
def flashbias(rank: int = 8) -> Callable[[Tensor, Tensor, Tensor, Tensor | Factors], Tensor]:
    """Attention with a bias: (q, k, v, bias) -> out, q [b, heads, t, dim], k and v [b, kv_heads, n, dim].

    The bias: factors (`engine.bias.alibi`), or [heads, t, n], which is cut to `rank` by singular values. The paper's
    third way, factors learnt by a network, is not here.
    """
    if rank < 1:
        raise UserError(f"flashbias cannot factor a bias in rank {rank}; write rank=1 or more")

    def heard(q: Tensor, k: Tensor, v: Tensor, bias: Tensor | Factors) -> Tensor:
        from chunkwise.engine.bias import Factors, factored, truncated

        return factored(q, k, v, bias if isinstance(bias, Factors) else truncated(bias, rank)).out

    return heard


@recipe(
    "two-pass-softmax",
    family="other",
    seed="The Two-Pass Softmax Algorithm",
    claim="equals the stable softmax, huge scores included, reading its input twice where that reads it three times",
)
def two_pass_softmax(block: int = 4096) -> Callable[[Tensor], Tensor]:
    """The softmax over the last axis of scores [.., n], `block` columns at a time.

    The paper's gain is the third reading saved, from memory, in code written for a processor's vectors. Each torch
    operation here reads a block by itself, so that what is shown is the number of readings, not the speed.
    """
    if block < 1:
        raise UserError(f"two-pass-softmax cannot read {block} columns at a time; write block=1 or more")

    def softmax(scores: Tensor) -> Tensor:
        import torch

        from chunkwise.engine.softmax import two_pass

        blocks = [scores[..., at : at + block] for at in range(0, scores.shape[-1], block)]
        return torch.cat(list(two_pass(blocks)), -1) if blocks else scores.clone()

    return softmax


@recipe(
    "dual-chunk-attention",
    family="sparse-attention",
    seed="Training-Free Long-Context Scaling of Large Language Models",
    claim="hears every position of an input longer than the model was trained on, at no distance that it has not seen",
    aliases=("dca",),
)
def dual_chunk_attention(
    trained: int = 4096,
) -> Callable[[Tensor, Tensor, Tensor, Callable[[Tensor, Tensor], Tensor]], Tensor]:
    """Attention by chunks: (q, k, v, turned) -> what the last t of n positions hear; see `engine.dual_chunk`.

    trained: positions that the model was trained on; the largest distance is 3/4 of them, and distances across the
    edge of a chunk are true over 1/8. An input of up to 5/8 of `trained` is heard as without this.
    """
    if trained < 8:
        raise UserError(f"dual-chunk-attention cannot divide {trained} trained positions; write trained=8 or more")

    def heard(q: Tensor, k: Tensor, v: Tensor, turned: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
        from chunkwise.engine.dual_chunk import dual_chunk

        return dual_chunk(q, k, v, turned, trained * 3 // 4, trained // 8)

    return heard
