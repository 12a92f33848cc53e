"""Embedders that see a chunk in its document: what they are shown, how it is pooled, what is corrected."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from chunkwise.embed.choose import Embedder, embedder
from chunkwise.embed.situated import Situated, WithContexts
from chunkwise.embed.unit import unit_rows
from chunkwise.embed.views import neighbourhood, opening, sections
from chunkwise.errors import UserError
from chunkwise.models import Ask, Notes
from chunkwise.recipe import recipe
from chunkwise.units import Document, Floats, Span

if TYPE_CHECKING:
    from chunkwise.embed.contextual import ContextualEmbedder

WINDOW, OVERLAP = 256, 64  # word pieces: what MiniLM reads at once, and what of it the window before has read


@recipe(
    "late-chunking",
    family="embed",
    seed="Late Chunking: Contextual Chunk Embeddings Using Long-Context Embedding Models",
    claim="a chunk that says only 'it' is found by the name that stands before it in the document",
)
def late_chunking(window: int = WINDOW, overlap: int = OVERLAP, of: str = "minilm") -> Situated:
    """The mean of the token states of each chunk, the whole document having been read first.

    window: word pieces that are read at once, the model's own two included, at most as many as it reads; overlap: of
    them, how many the window before has read already. of: "minilm" or a model's folder that pools by the mean. The
    paper's model reads 8192 tokens; MiniLM reads 256, so that a chunk's context reaches no further here. Questions are
    embedded as they are.
    """
    from chunkwise.embed.pooling import span_means

    reader = _reader(of, "late-chunking")

    def read(document: Document, spans: Sequence[Span]) -> Floats:
        return unit_rows(span_means(reader, document.text, spans, window, overlap)[0])

    return Situated(f"late-chunking-{window}-{overlap}", reader, read, reader)


@recipe(
    "contextual",
    family="embed",
    seed="Introducing Contextual Retrieval",
    claim="a chunk is found by what a model says of its place in the document, in words and in meaning",
)
def contextual(of: str = "minilm", shown: int = 24_000, *, ask: Ask, notes: Notes) -> WithContexts:
    """Each chunk after a sentence or two by `ask` that say where in the document it stands; its words are searched too.

    of: the embedder; shown: characters of the document that the model is shown, those around the chunk of a longer
    one. One question for each chunk, four at a time; the document stands first in all of them, so that an endpoint
    that caches prefixes reads it once. What was written is kept by the chunk's place. Without a reply that can be used
    the chunk stands alone, and a warning says so once. An embedder of 256 word pieces sees the end of a long chunk cut.
    """
    from chunkwise.embed.written import asked

    return WithContexts("contextual", embedder(of), asked(ask, notes, shown))


@recipe(
    "contextual-outline",
    family="embed",
    seed="Introducing Contextual Retrieval",
    claim="a chunk is found by its document's title, first sentence and headings, and no model is asked",
)
def contextual_outline(of: str = "minilm") -> WithContexts:
    """As `contextual`, but the context is the document's title, first sentence, and the headings over the chunk.

    Our substitute where there is no language model: the published method has the context written for each chunk.
    """
    from chunkwise.embed.written import outlined

    return WithContexts("contextual-outline", embedder(of), outlined)


@recipe(
    "heterag",
    family="retrieve",
    seed="HeteRAG: A Heterogeneous Retrieval-augmented Generation Framework with Decoupled Knowledge Representations",
    claim="a chunk is found by what its surroundings and its document say, and goes to the prompt short and alone",
)
def heterag(
    chunk: float = 1.0,
    neighbours: float = 0.5,
    section: float = 0.25,
    document: float = 0.25,
    around: int = 300,
    of: str = "minilm",
) -> Situated:
    """The weighted sum of the vectors of four views: the chunk, it with its neighbours, its section, its document.

    chunk, neighbours, section, document: the weights; a view of weight 0 is not made. around: characters on each side
    that count as neighbours. The section is shown by its headings and its beginning, the document by its title and
    beginning, as far as the embedder `of` reads. The paper also tunes the retriever's prompt; the weights here are our
    choice, tuned on nothing.
    """
    embed = embedder(of)
    weights = (chunk, neighbours, section, document)
    if min(weights) < 0 or not any(weights):
        raise UserError(f"heterag cannot weigh its views {weights}; give weights of 0 and more, and one above 0")

    def read(whole: Document, spans: Sequence[Span]) -> Floats:
        if not spans:
            return np.empty((0, embed.dim), np.float32)
        text, parts = whole.text, sections(whole, spans)
        views = (
            [text[slice(*span)] for span in spans],
            [neighbourhood(text, span, around) for span in spans],
            [f"{' > '.join(part.path)}\n{text[part.span.start : part.span.end][:BEGINNING]}" for part in parts],
            [f"{opening(whole)}\n{text[:BEGINNING]}"] * len(spans),
        )
        weighed = [weight * _once(embed, texts) for weight, texts in zip(weights, views, strict=True) if weight]
        return unit_rows(np.sum(weighed, axis=0))

    kind = "-".join(["heterag", *(f"{weight:g}" for weight in weights), str(around)])
    return Situated(kind, embed, read, embed)


BEGINNING = 1200  # characters of a long view: more than 256 word pieces hold


@recipe(
    "insent-conteb",
    family="embed",
    seed="Context is Gold to find the Gold Passage: Evaluating and Training Contextual Document Embeddings",
    claim="chunks of one document are told apart better once they were trained against each other",
    aliases=("insent",),
)
def insent_conteb(window: int = WINDOW, overlap: int = OVERLAP, of: str = "minilm") -> Situated:
    """Late-pooled chunks and plain questions through one head, trained to tell chunks of a document from each other.

    window, overlap: as for `late-chunking`. The head corrects a vector by a map of rank 64; it was trained by
    `scripts/train_insent.py` with negatives from the same document and from others. The paper trains the whole encoder
    on far more text; here it stays as it is, so less can be learnt. of: only what a head was trained on.
    """
    from chunkwise.embed.heads import digest, heads

    late = late_chunking(window, overlap, of)
    (head,) = heads("insent-conteb", late.of.name)

    def read(document: Document, spans: Sequence[Span]) -> Floats:
        return unit_rows(head(late.read(document, spans)))

    kind = f"insent-conteb-{window}-{overlap}-{digest('insent-conteb')}"
    return Situated(kind, late.of, read, lambda texts: unit_rows(head(late.ask(texts))))


@recipe(
    "sitemb",
    family="embed",
    seed=("SitEmb-v1.5: Improved Context-Aware Dense Retrieval for Semantic Association and Long Story Comprehension"),
    claim="what the surroundings add to a chunk is learnt as a residual, and finds chunks that are ambiguous alone",
)
def sitemb(window: int = WINDOW, overlap: int = OVERLAP, of: str = "minilm") -> Situated:
    """The chunk's plain vector, plus what a head makes of its vector in its surroundings, trained on what plain misses.

    The score is so the sum of two similarities, as in the paper, whose two embedders are models of 1 to 8 billion
    parameters. Here the surroundings are the window that `late-chunking` reads the chunk in, and the head, of rank 64,
    is trained by `scripts/train_sitemb.py`. of: only what a head was trained on.
    """
    from chunkwise.embed.heads import digest, heads

    late = late_chunking(window, overlap, of)
    (head,) = heads("sitemb", late.of.name)

    def read(document: Document, spans: Sequence[Span]) -> Floats:
        plain = late.of([document.text[slice(*span)] for span in spans])
        return unit_rows(plain + head(late.read(document, spans)))

    return Situated(f"sitemb-{window}-{overlap}-{digest('sitemb')}", late.of, read, late.of)


@recipe(
    "dewey",
    family="embed",
    seed="Dewey Long Context Embedding Model: A Technical Report",
    claim="one pass over a document gives its own vector and its chunks', each near what a teacher says of it alone",
)
def dewey(window: int = WINDOW, overlap: int = OVERLAP, of: str = "minilm") -> Situated:
    """Chunk vectors from the mean of their states and the document's from its first ones, in one pass.

    A span that holds the whole document gets the document's vector: the mean of the first state of every window.
    Both go through heads of rank 64 that `scripts/train_dewey.py` trained to give what the encoder itself gives for
    each chunk alone, the document being the mean of its chunks. The paper's teacher is a larger model than its pupil;
    here both are one, so the gain is a pass saved and not better vectors. of: only what heads were trained on.
    """
    from chunkwise.embed.heads import digest, heads
    from chunkwise.embed.pooling import span_means

    reader = _reader(of, "dewey")
    chunk, whole = heads("dewey", reader.name, ("chunk.", "document."))

    def read(document: Document, spans: Sequence[Span]) -> Floats:
        means, leads = span_means(reader, document.text, spans, window, overlap)
        all_of = [span == (0, len(document.text)) for span in spans]
        vectors = chunk(unit_rows(means))
        vectors[all_of] = whole(unit_rows(leads[all_of]))
        return unit_rows(vectors)

    return Situated(f"dewey-{window}-{overlap}-{digest('dewey')}", reader, read, reader)


def _reader(of: str, recipe: str) -> ContextualEmbedder:
    """The embedder of a spec, as one whose token states can be pooled by the mean."""
    from chunkwise.embed.contextual import ContextualEmbedder

    made = embedder(of)
    if not isinstance(made, ContextualEmbedder):
        raise UserError(f"{recipe} pools token states, which {of!r} does not show; give of=minilm or a model's folder")
    if not made.pools_mean:
        raise UserError(f"{recipe} takes means, and {of!r} was trained to be read at its first token; give another")
    return made


def _once(embed: Embedder, texts: Sequence[str]) -> Floats:
    """The vector of each text, equal ones embedded once."""
    different = list(dict.fromkeys(texts))
    row = {text: at for at, text in enumerate(different)}
    return embed(different)[[row[text] for text in texts]]


@recipe(
    "code-token-merge",
    family="compress",
    seed="On the Effect of Token Merging on Pre-trained Models for Code",
    claim="code is read in fewer steps, its vectors near the model's and no name lost, as cutting off as much would",
)
def code_token_merge(layer: int = 3, folder: str = "") -> Embedder:
    """MiniLM, or the model of a local folder, with one hidden state for each identifier from `layer` on.

    layer: 0 merges what the first layer reads, later ones save less and keep more. The states of an identifier's
    subtokens become their mean; the paper also learns weights, and measures code models on their own tasks, which
    are not here. What was seen with MiniLM, not trained for it: on Python of this package 13 % fewer tokens, 7 % fewer
    operations from layer 3 on (14 % from layer 0) and a mean cosine of 0.94 (0.91) with the model's own vectors; where
    half of all tokens merge it is 0.84 (0.73), further off than the end cut away. It shortens what an encoder reads,
    not a prompt: it is an embedder, which no pack can be compressed by.
    """
    from chunkwise.embed.contextual import MINILM_SHA256, minilm_folder
    from chunkwise.embed.merged import MergedEmbedder

    if folder:
        return MergedEmbedder(folder, layer)
    return MergedEmbedder(minilm_folder(), layer, label="minilm", expected=MINILM_SHA256)
