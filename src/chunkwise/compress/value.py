"""Value: what a unit is worth by the question's words, by meaning, by what it adds, by how it surprises a model."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from chunkwise.compress.unit import Units
from chunkwise.errors import EndpointError, FallbackWarning
from chunkwise.models import CausalLM, Embed
from chunkwise.retrieve import words
from chunkwise.retrieve.language import language
from chunkwise.retrieve.words import Words
from chunkwise.units import Floats, Passage

BESIDE, AROUND = 0.5, 0.3  # what a word counts for in a neighbouring unit, and elsewhere in the passage
SATURATION, LENGTH = 1.2, 0.5  # BM25's k1 and b


def analyser(passages: Sequence[Passage]) -> Words:
    """Text to its terms, as the language of the passages has them; plain ASCII reads as English."""
    sample = " ".join(passage.text[:500] for passage in passages[:8])
    return words("en" if sample.isascii() else language(sample))


def by_words(query: str, units: Units, texts: Sequence[str] | None = None) -> Floats:
    """How much each unit says of each distinct word of the question; float32 [n, words], a row sums to 1 at the most.

    BM25 among the units, each word's share of the question its rarity. A word that stands in a neighbouring unit, in
    the headings or elsewhere in the passage counts in part: a sentence seldom repeats what the one before it is about.
    texts: what the units say where it is not what stands there.
    """
    analyse = analyser(units.passages).terms
    asked = list(dict.fromkeys(analyse(query)))
    counts = _counts(asked, [analyse(text) for text in units.texts if texts is None] or list(map(analyse, texts or ())))
    lengths = np.maximum(units.costs, 1).astype(np.float32)
    norm = SATURATION * (1 - LENGTH + LENGTH * lengths / max(1.0, float(lengths.mean() if len(lengths) else 1)))
    own = counts / (counts + norm[:, None])
    found = (counts > 0).sum(axis=0)
    rarity = np.log1p((len(units) - found + 0.5) / (found + 0.5))
    said = own.copy()
    same = units.of[1:] == units.of[:-1]
    np.maximum(said[1:], BESIDE * own[:-1] * same[:, None], out=said[1:])
    np.maximum(said[:-1], BESIDE * own[1:] * same[:, None], out=said[:-1])
    headings = _counts(asked, [analyse(" ".join((p.source, *p.path))) for p in units.passages]) > 0
    around = headings / (1 + SATURATION)
    np.maximum.at(around, units.of, own)
    np.maximum(said, AROUND * around[units.of], out=said)
    shares: Floats = (said * rarity / max(float(rarity.sum()), 1e-9)).astype(np.float32)
    return shares


def by_shared_words(query: str, passages: Sequence[Passage]) -> Callable[[str], int]:
    """A text's worth by how many of the question's words it has, as the passages' language has them; 1 at the least."""
    analyse = analyser(passages).terms
    asked = set(analyse(query))
    return lambda text: 1 + len(asked & set(analyse(text)))


def by_passage(units: Units) -> Floats:
    """The retriever's score of each unit's passage, the best one's 1; float32 [n], all above 0: none is lost."""
    scores = np.nan_to_num(np.array([p.score for p in units.passages], dtype=np.float64), nan=0.0).clip(0, 1e30)
    shares = 0.01 + 0.99 * scores / max(float(scores.max(initial=0)), 1e-30)
    return np.asarray(shares, dtype=np.float32)[units.of]


def by_rarity(units: Units) -> Floats:
    """The mean rarity of each unit's terms among the passages, from 0 to about 1; float32 [n]."""
    analyse = analyser(units.passages).terms
    common = Counter(term for passage in units.passages for term in set(analyse(passage.text)))
    most = np.log1p(len(units.passages))
    found = [[1 - np.log(common[term]) / most for term in analyse(text) if common[term]] for text in units.texts]
    return np.array([sum(rare) / len(rare) if rare else 0.0 for rare in found], dtype=np.float32)


def by_surprise(units: Units, lm: CausalLM) -> Floats:
    """Mean nats of each unit's tokens given all that stands before it in its passage; float32 [n]."""
    from chunkwise.segment.surprise.perplexity import log_perplexity

    found = np.zeros(len(units), dtype=np.float32)
    for number in np.unique(units.of).tolist():
        mine = np.flatnonzero(units.of == number)
        edges = np.array([units.spans[unit] for unit in mine], dtype=np.int64)
        bounds = np.append(edges[:, 0], edges[-1, 1])
        found[mine] = log_perplexity(units.passages[number].text, bounds, lm)
    return found


def vectors(embed: Embed, query: str, texts: Sequence[str], who: str) -> tuple[Floats, Floats] | None:
    """The question's vector [d] and the texts' [n, d]; None, with a FallbackWarning, where the embedder fails."""
    try:
        found = np.asarray(embed([query, *texts]), dtype=np.float32)
    except EndpointError as error:
        wrong = str(error)
    else:
        if found.ndim == 2 and len(found) == len(texts) + 1 and np.isfinite(found).all():
            return found[0], found[1:]
        wrong = f"no {len(texts) + 1} vectors of finite numbers but an array {found.shape}"
    warnings.warn(
        FallbackWarning(f"{who}: values are by words alone, since the embedder failed: {wrong}"), stacklevel=3
    )
    return None


def _counts(asked: Sequence[str], texts: Sequence[Sequence[str]]) -> Floats:
    """How often each text has each term; float32 [texts, terms]."""
    rows = [Counter(terms) for terms in texts]
    made = [[row[term] for term in asked] for row in rows]
    return np.array(made, dtype=np.float32).reshape(len(texts), len(asked))
