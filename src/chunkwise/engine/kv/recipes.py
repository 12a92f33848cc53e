"""Policies that keep keys and values within a budget, each a line of choices on the axes of `compress/`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chunkwise.recipe import recipe

if TYPE_CHECKING:
    from chunkwise.engine.kv.compress import KVPolicy


@recipe(
    "streaming",
    family="kv-compress",
    seed="Efficient Streaming Language Models with Attention Sinks",
    claim="first tokens and a window, at positions counted anew, go on at bounded memory; a window alone loses the "
    "sinks that attention rests on",
    aliases=("streaming-llm",),
)
def streaming(sinks: int = 4) -> KVPolicy:
    """The first `sinks` tokens, and the last ones as far as the budget goes; no score."""
    from chunkwise.engine.kv import compress as kv

    return kv.KVPolicy(kv.Recency(), protect=kv.Sinks(sinks), refresh=kv.EachPass(), compact=True)


@recipe(
    "h2o",
    family="kv-compress",
    seed="H2O: Heavy-Hitter Oracle for Efficient Generative Inference of Large Language Models",
    claim="keeps what was attended to all along, which the last queries alone do not show",
)
def h2o(recent: int = 32, every: int = 1) -> KVPolicy:
    """The entries that were paid most attention in sum, and the last `recent` tokens.

    The paper halves the budget between the two; here the window is fixed. Attention is summed up by itself, beside the
    fused attention that is heard, which costs a prefill about as much again.
    """
    from chunkwise.engine.kv import compress as kv

    return kv.KVPolicy(kv.Received(), protect=kv.Recent(recent), refresh=kv.Every(every))


@recipe(
    "tova",
    family="kv-compress",
    seed="Transformers are Multi-State RNNs",
    claim="drops what the newest query attends to least, the same in all heads of a layer, with no fixed window",
)
def tova(every: int = 1) -> KVPolicy:
    """The last query's attention, its mean over heads; only the newest token is sure to stay."""
    from chunkwise.engine.kv import compress as kv

    return kv.KVPolicy(kv.Window(1) | kv.Shared(), protect=kv.Recent(1), refresh=kv.Every(every))


@recipe(
    "knorm",
    family="kv-compress",
    seed="A Simple and Effective L2 Norm-Based Strategy for KV Cache Compression",
    claim="short keys draw attention in models of the kind, so that no query need be seen to keep them",
)
def knorm() -> KVPolicy:
    """The shortest keys. Whether they matter is the model's affair: where lengths say nothing, neither does this."""
    from chunkwise.engine.kv import compress as kv

    return kv.KVPolicy(kv.KeyNorm(), protect=kv.Recent(1))


@recipe(
    "snapkv",
    family="kv-compress",
    seed="SnapKV: LLM Knows What You are Looking for Before Generation",
    claim="keeps the needle that the prompt's last queries look at, at a tenth of the cache, where random loses it",
)
def snapkv(window: int = 64, pool: int = 5) -> KVPolicy:
    """What the last `window` queries attend to, with its neighbours, head by head; and the window itself."""
    from chunkwise.engine.kv import compress as kv

    return kv.KVPolicy(kv.Window(window) | kv.Pool(pool), protect=kv.Recent(window))


@recipe(
    "chunkkv",
    family="kv-compress",
    seed="ChunkKV: Semantic-Preserving KV Cache Compression for Efficient Long-Context LLM Inference",
    claim="keeps whole phrases where evicting single tokens tears them",
)
def chunkkv(window: int = 64, size: int = 10, reuse: int = 1) -> KVPolicy:
    """Whole chunks of `size` tokens by their mean attention from the last `window` queries, alike in all heads.

    reuse: of so many adjoining layers the first one's scores serve all; the paper's 2 costs little there, and is off
    here since it depends on the model's depth. Sizes that a paper and its copies name differ (10, 20).
    """
    from chunkwise.engine.kv import compress as kv

    return kv.KVPolicy(
        kv.Window(window) | kv.Shared(),
        unit=kv.Chunk(size),
        protect=kv.Sinks(4) + kv.Recent(window),
        refresh=kv.Once(reuse),
    )


@recipe(
    "expected-attention",
    family="kv-compress",
    seed="Expected Attention: KV Cache Compression by Estimating Attention from Future Queries Distribution",
    claim="keeps what queries to come will look at though none of the last ones does",
)
def expected_attention(future: int = 512, sinks: int = 4) -> KVPolicy:
    """Attention that queries drawn from those seen would pay over the next `future` positions, times value lengths."""
    from chunkwise.engine.kv import compress as kv

    return kv.KVPolicy(kv.ExpectedAttention(future), protect=kv.Sinks(sinks))


@recipe(
    "lrsa",
    family="kv-compress",
    seed="Lag-Relative Sparse Attention In Long Context Training",
    claim="keeps tokens that stand out of what follows them, without any attention, at a bounded cache chunk by chunk",
    aliases=("lagkv",),
)
def lrsa(size: int = 128, sinks: int = 4) -> KVPolicy:
    """Keys and values ranked against the range of the next `size` (LagKV), after every pass of the prompt.

    The paper trains with this compression; here is what is compressed, which has no need of attention or of training.
    """
    from chunkwise.engine.kv import compress as kv

    return kv.KVPolicy(kv.Lag(size), protect=kv.Sinks(sinks), refresh=kv.EachPass(size))


@recipe(
    "dynamickv",
    family="kv-compress",
    seed="DynamicKV: Task-Aware Adaptive KV Cache Compression for Long Context LLMs",
    claim="layers that have more of the best entries get more of the budget, which is kept in all",
)
def dynamickv(window: int = 64, pool: int = 7, most: float = 10.0) -> KVPolicy:
    """As `snapkv`, but layers compete: each has its part of the best of all, up to `most` times the average.

    The paper settles this every few layers, to bound what is held meanwhile; here it is settled once, after all.
    """
    from chunkwise.engine.kv import compress as kv

    return kv.KVPolicy(kv.Window(window) | kv.Pool(pool), budget=kv.Global(most), protect=kv.Recent(window))


@recipe(
    "prefixkv",
    family="kv-compress",
    seed="PrefixKV: Adaptive Prefix KV Cache is What Vision Instruction-Following Models Need for Efficient Generation",
    claim="every layer keeps the same share of its attention, not of its entries: more is retained at the same budget",
)
def prefixkv(sinks: int = 4) -> KVPolicy:
    """Entries by all attention paid; a layer holds as many as its concentration asks for, at one bar for all layers.

    The bar is found exactly, where the paper bisects for it. It profiles the layers' parts on ten samples beforehand,
    which is left out, and drops a token at a fixed place at each step of decoding; here tokens to come are kept.
    """
    from chunkwise.engine.kv import compress as kv

    return kv.KVPolicy(
        kv.Received() | kv.Shared(), budget=kv.Mass(), protect=kv.Sinks(sinks) + kv.Recent(1), refresh=kv.Once()
    )
