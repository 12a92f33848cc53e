"""Sweeps that papers made, as grids for `chunkwise compare --preset`."""

from __future__ import annotations

from chunkwise.evaluate.grid import OURS, Grid, Pipeline
from chunkwise.recipe import recipe


@recipe(
    "rethinking-chunk-size",
    family="survey-eval",
    seed="Rethinking Chunk Size For Long-Document Retrieval: A Multi-Dataset Analysis",
    claim="small chunks keep more of short answers, large ones more of long answers: the curves cross",
)
def rethinking_chunk_size() -> Grid:
    """Fixed cuts of 64 to 1024 tokens by two embedders, nearest first; recall shown for short and long evidence apart.

    The paper takes the first k chunks whatever they cost; here every size gets the same tokens.
    """
    sizes = tuple(f"fixed:size={size}" for size in (64, 128, 256, 512, 1024))
    return Grid(sizes, ("dense",), embed=("minilm", "static"), budgets=(256, 512, 1024, 2048), apart="evidence")


@recipe(
    "semantic-chunking-worth",
    family="survey-eval",
    seed="Is Semantic Chunking Worth the Computational Cost?",
    claim="where neighbouring sentences speak of one thing, cuts of a fixed size keep as much as cuts by similarity",
)
def semantic_chunking_worth() -> Grid:
    """Fixed cuts beside cuts where the meaning changes, with the seconds that each takes to index.

    The paper also judges generated answers; here it is retrieval of evidence, and of documents where a set grades them.
    """
    cuts = ("fixed:size=200", "recursive:size=200", "semantic:size=200", "semantic-clusters:size=200")
    return Grid(cuts, ("dense", "rrf"))


@recipe(
    "chunk-twice-embed-once",
    family="survey-eval",
    seed=(
        "Chunk Twice, Embed Once: A Systematic Study of Segmentation and Representation Trade-offs in"
        " Chemistry-Aware Retrieval-Augmented Generation"
    ),
    claim="ranks every cut with every embedder, the same each time; small recursive chunks without overlap lead",
)
def chunk_twice_embed_once() -> Grid:
    """Recursive and fixed cuts of several sizes and overlaps by two embedders, nearest first.

    The paper has 25 cuts and 48 embedders, on chemistry; name your own embedders with --embedder.
    """
    cuts = [f"{name}:size={size}" for name in ("recursive", "fixed") for size in (50, 100, 200, 400)]
    cuts += [f"recursive:size={size},overlap={size // 5}" for size in (100, 200, 400)]
    return Grid(tuple(cuts), ("dense",), embed=("minilm", "static"), budgets=(500, 1000))


@recipe(
    "rag-hyperparameters",
    family="survey-eval",
    seed=("Optimizing Retrieval-Augmented Generation: Analysis of Hyperparameter Impact on Performance and Efficiency"),
    claim="every cell of the grid says what it keeps and what it costs; judging the candidates anew keeps more of it",
)
def rag_hyperparameters() -> Grid:
    """Cut, size, overlap, retriever, and whether contextual vectors judge the nearest anew; bm25 and our own beside.

    Of the paper's settings the vector store is left out, there being one, and the temperature, since nothing is
    generated.
    """
    cuts = ("recursive:size=128", "recursive:size=512", "recursive:size=512,overlap=64", "fixed:size=512")
    beside = (*(Pipeline(cut, "bm25", embed="none") for cut in cuts), OURS)
    return Grid(cuts, ("dense", "rrf"), embed=("static", "minilm"), budgets=(500, 1500), beside=beside)


@recipe(
    "domain-rag-metrics",
    family="survey-eval",
    seed=(
        "Enhancing Domain-Specific Retrieval-Augmented Generation: Synthetic Data Generation and Evaluation using"
        " Reasoning Models"
    ),
    claim="measured on the very tokens of the evidence, small chunks are more precise and large ones recall more",
)
def domain_rag_metrics() -> Grid:
    """Small against large chunks, the five nearest as the paper takes them; recall, precision and IoU."""
    cuts = tuple(f"recursive:size={size}" for size in (64, 128, 256, 512))
    return Grid(cuts, ("dense",), ("top-k:k=5",), budgets=(4000,))


@recipe(
    "modular-rag",
    family="survey-eval",
    seed="Modular RAG: Transforming RAG Systems into LEGO-like Reconfigurable Frameworks",
    claim="the four patterns of flow are compositions of the same parts, and each can be measured beside the others",
)
def modular_rag() -> Grid:
    """A linear, a conditional, a branching and a looping flow of the same two retrievers, and our default beside.

    The paper is a framework without figures. Flows that judge generated answers and go back are left out: here they end
    where the candidates are.
    """
    flows = (
        "linear:steps=bm25>looping",
        "conditional:when=code,then=bm25,otherwise=dense",
        "branching:of=bm25+dense",
        "looping:of=dense",
    )
    return Grid(("sentence",), ("bm25", "dense", *flows), budgets=(500, 1000), beside=(OURS,))


@recipe(
    "reconstructing-context",
    family="survey-eval",
    seed="Reconstructing Context: Evaluating Advanced Chunking Strategies for Retrieval-Augmented Generation",
    claim="both ways of giving a chunk its context find what chunks alone miss; late pooling asks no model for it",
)
def reconstructing_context(asked: bool = False) -> Grid:
    """Chunks embedded alone, pooled from their document's token states, and with a context put before them.

    asked: with contexts that a language model writes, as the paper has them; without, `contextual-outline` stands for
    them. Vectors are made while questions are asked, so their cost is in `asked_seconds`. The paper's embedders read
    8192 tokens; what is told of late pooling here is told of windows of 256 word pieces.
    """
    written = "contextual" if asked else "contextual-outline"
    return Grid(("recursive:size=100",), ("dense", "rrf"), embed=("minilm", "late-chunking", written))


@recipe(
    "corect",
    family="survey-eval",
    seed="CoRECT: A Framework for Evaluating Embedding Compression Techniques at Scale",
    claim="a byte a dimension costs no recall; fewer bits do, the more the larger the index is",
)
def corect() -> Grid:
    """The same vectors in every storage code, nearest first: float16, int8, one bit, fewer dimensions, PQ.

    Of static vectors, which every index has. The paper goes up to 100 million passages and
    codes that are learnt; recall against bytes and the size of the corpus is in benchmarks/contexts.py.
    """
    codes = ("float16", "int8", "binary", "binary,rescore=4", "truncated", "pq", "pq,rescore=4")
    return Grid(("recursive:size=100",), tuple(f"coded:code={code}" for code in codes), embed=("static",))
