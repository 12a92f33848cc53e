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
    """The shortest keys. Whether they matter is the model's affair: where lengths say nothing, neither does this.

    On the oracle they say nothing: a tenth of the cache answers fewer questions than as many tokens at random.
    """
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
    "lagkv",
    family="kv-compress",
    seed="LagKV: Lag-Relative Information of the KV Cache Tells Which Tokens Are Important",
    claim="keeps tokens that stand out of what follows them, without any attention, at a bounded cache chunk by chunk",
)
def lagkv(size: int = 128, sinks: int = 4) -> KVPolicy:
    """Keys and values ranked against the range of the next `size` (LagKV), after every pass of the prompt.

    It has no need of attention, so that a model can be trained with it ("Lag-Relative Sparse Attention In Long Context
    Training"), which is not done here. On the oracle, whose attention is one-hot, a tenth of the cache answers no more
    questions than as many tokens at random.
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

    The bar is found exactly, where the paper bisects for it. It profiles the layers' parts on ten samples
    beforehand, which is left out, and drops a token at a fixed place at each step of decoding; here tokens to come
    are kept.
    """
    from chunkwise.engine.kv import compress as kv

    return kv.KVPolicy(
        kv.Received() | kv.Shared(), budget=kv.Mass(), protect=kv.Sinks(sinks) + kv.Recent(1), refresh=kv.Once()
    )


@recipe(
    "zipcache",
    family="kv-compress",
    seed="ZipCache: Accurate and Efficient KV Cache Quantization with Salient Token Identification",
    claim="tokens that are attended to in 4 bits and the rest in 2 err less than the same bits on any tokens, and "
    "values scaled by token need dim + 2 n parameters",
)
def zipcache(share: float = 0.6, probes: float = 0.05, recent: int = 64) -> KVPolicy:
    """All entries in 4 or 2 bits by the attention paid them, over the queries that could; fewer where that is too many.

    Attention is measured on a share `probes` of the queries and on the last `recent`, where the paper takes the last
    5 % as well; once, after the prompt, where it goes on every hundred tokens. A budget that holds everything as it is
    is left alone; one below some 3.5 of 16 or 32 bits evicts what scores least.
    """
    from chunkwise.engine.kv import compress as kv

    return kv.KVPolicy(kv.PerQuery(probes, recent), protect=kv.Recent(1), code=kv.Bits(4, 2, share))


@recipe(
    "int8-kv",
    family="kv-compress",
    seed="A plain control: every key and value in eight bits",
    claim="a quarter of the bytes of float32 for next to no error, where evicting three quarters has a large one",
)
def int8_kv() -> KVPolicy:
    """All entries in 8 bits, keys by channel and values by token; the newest stay where even that is too many."""
    from chunkwise.engine.kv import compress as kv

    return kv.KVPolicy(kv.Recency(), protect=kv.Sinks(4), code=kv.Bits(8, 8, 1.0))


@recipe(
    "int4-kv",
    family="kv-compress",
    seed="A plain control: every key and value in four bits",
    claim="an eighth of the bytes of float32, with less error where keys are scaled by channel than by token",
)
def int4_kv() -> KVPolicy:
    """All entries in 4 bits, keys by channel and values by token; the newest stay where even that is too many."""
    from chunkwise.engine.kv import compress as kv

    return kv.KVPolicy(kv.Recency(), protect=kv.Sinks(4), code=kv.Bits(4, 4, 1.0))


@recipe(
    "minicache",
    family="kv-compress",
    seed="MiniCache: KV Cache Compression in Depth Dimension for Large Language Models",
    claim="adjoining deep layers that differ in length alone are held as one direction, with less error than "
    "their mean, and tokens that differ more are kept as they are",
)
def minicache(t: float = 0.6, keep: float = 0.05) -> KVPolicy:
    """Layers of the deeper half in pairs, merged on the arc between them; the newest stay where that is too many.

    On the oracle a tenth of the cache answers fewer questions than as many tokens at random: what is merged is no
    key any more. t and keep are what we are least sure of. The paper keeps apart what lies above a threshold
    between the least and greatest angle, here it is that share of them, so that the bytes are known; a threshold
    would be the data's affair.
    """
    from chunkwise.engine.kv import compress as kv

    return kv.KVPolicy(kv.Recency(), protect=kv.Sinks(4), code=kv.Slerp(t, keep))


@recipe(
    "lacache",
    family="kv-compress",
    seed="LaCache: Ladder-Shaped KV Caching for Efficient Long-Context Modeling of Large Language Models",
    claim="each layer keeps other tokens of the past, so that all of them together reach further back than a window of "
    "the same size, which is never exceeded",
)
def lacache(span: int = 0, overlap: int = 0, sinks: int = 4) -> KVPolicy:
    """Rungs: which tokens a layer keeps depends on its number alone, the older the fewer; positions counted anew.

    On the oracle a tenth of the cache answers no more questions than as many tokens at random: its two layers keep
    unlike tokens. span: layers that keep the same token, 0 for half (16 of the paper's 32). The paper frees a whole
    stretch when the cache is full; here as much goes as must, in the same order, after every pass.
    """
    from chunkwise.engine.kv import compress as kv

    return kv.KVPolicy(kv.Ladder(span, overlap), protect=kv.Sinks(sinks), refresh=kv.EachPass(), compact=True)


@recipe(
    "zeromerge",
    family="kv-compress",
    seed="ZeroMerge: Parameter-Free KV Cache Compression for Memory-Efficient Long-Context LLMs",
    claim="entries that do not fit are merged into slots that are heard as many tokens: less error than dropping them, "
    "and the counts sum to the tokens seen",
)
def zeromerge(recent: int = 16, residual: float = 0.3, decay: float = 0.98) -> KVPolicy:
    """Attention fading by `decay` a query decides who stays; the rest is averaged into a share `residual` of slots.

    Slots of w tokens are heard with log w added. The paper's tail is a tenth of the budget, here a number of tokens.
    """
    from chunkwise.engine.kv import compress as kv

    return kv.KVPolicy(kv.Received(decay), protect=kv.Recent(recent), action=kv.Residual(residual), refresh=kv.Every(1))


@recipe(
    "chelsea",
    family="kv-compress",
    seed="Efficient Long-Context LLM Inference via KV Cache Clustering",
    claim="keys that say the same are made one at next to no error, where dropping as many has some",
    aliases=("centroidkv",),
)
def chelsea(chunk: int = 64, recent: int = 64) -> KVPolicy:
    """The most alike keys of a chunk become their mean, after every pass and every `chunk` tokens of decoding.

    From the abstract: that sinks and recent tokens are exempt is our guess, and that a cluster of n is heard with
    log n added is our addition.
    """
    from chunkwise.engine.kv import compress as kv

    return kv.KVPolicy(protect=kv.Sinks(4) + kv.Recent(recent), action=kv.Cluster(chunk), refresh=kv.EachPass(chunk))


@recipe(
    "ems",
    family="kv-compress",
    seed="EMS: Adaptive Evict-then-Merge Strategy for Head-wise KV Cache Compression Based on Global-Local Importance",
    claim="the band below the kept entries is merged into those most like it and the rest dropped: less error than "
    "dropping both, in as many slots",
)
def ems(recent: int = 32, band: float = 1.0, like: float = 0.6) -> KVPolicy:
    """All attention paid and that of the last queries, each as a share of its mean, decide who is kept.

    Reconstructed from the abstract: the paper adapts band and threshold to how sparse and how redundant a head is, here
    they are given; its merged entries may be heard otherwise than with the log of their count added.
    """
    from chunkwise.engine.kv import compress as kv

    return kv.KVPolicy(kv.Received() + kv.Window(recent), protect=kv.Recent(recent), action=kv.Nearest(band, like))


@recipe(
    "kvcrush",
    family="kv-compress",
    seed="KVCrush: Key value cache size-reduction using similarity in head-behaviour",
    claim="a quarter of the places for representatives of what did not score well lowers the error against importance "
    "alone when something else is asked",
)
def kvcrush(window: int = 64, share: float = 0.25) -> KVPolicy:
    """The best by the last queries' attention, and of the others one for each way in which the heads take them.

    The token form, in our own reading; what is known in code is a form over blocks of 32. The anchor is the majority's
    bits, one of the paper's kinds.
    """
    from chunkwise.engine.kv import compress as kv

    return kv.KVPolicy(kv.Window(window), protect=kv.Recent(window), action=kv.Representatives(share))


@recipe(
    "citrus",
    family="kv-compress",
    seed="CItruS: Chunked Instruction-aware State Eviction for Long Sequence Modeling",
    claim="what an instruction attends to is kept chunk by chunk, where the chunk's own attention drops it",
)
def citrus() -> KVPolicy:
    """The instruction is read along with every chunk (`host.of(.., asked=n)`): it scores what is held, and is not kept.

    Positions are counted anew. The "single" cache of the paper; its "double" one keeps another beside it, by the
    chunks' own attention, for reading on.
    """
    from chunkwise.engine.kv import compress as kv

    return kv.KVPolicy(kv.Instruction() | kv.Shared(), refresh=kv.EachPass(64), compact=True)
