"""Selectors that go by what candidates say. Where a model says nothing of use, candidates are taken by their scores."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from chunkwise.asking import Asking
from chunkwise.budget import Budget
from chunkwise.errors import UserError
from chunkwise.models import Ask, CausalLM, Embed
from chunkwise.recipe import BuildOther, recipe
from chunkwise.select.gain import scaled
from chunkwise.select.judged import relevance
from chunkwise.select.judged.answer import first_token, holder
from chunkwise.select.judged.feedback import settled
from chunkwise.select.judged.rationale import distrusted, rationales, told
from chunkwise.select.judged.readings import readings, text
from chunkwise.select.judged.verdict import BY_SCORE, Verdict, by_verdict, in_order, remembered
from chunkwise.select.judged.voices import echoes, said
from chunkwise.select.selector import Selector, among
from chunkwise.units import Candidates, Decision, Ints, Selection


@recipe(
    "meteora",
    family="select",
    seed="Ranking Free RAG: Replacing Re-ranking with Selection in RAG for Sensitive Domains",
    claim="takes what the rationales ask for with no number given, and drops the chunk that a verifier finds poisoned",
)
def meteora(
    count: int = 5, pool: int = 100, neighbours: bool = True, verify: bool = True, batch: int = 10,
    *, ask: Ask, embed: Embed,
) -> Selector:  # fmt: skip
    """The nearest candidate of each rationale, those above the elbow for all of them, their neighbours; verified.

    count: rationales asked for at most; pool: the best candidates, which alone are looked at, where the paper looks at
    all chunks; batch: candidates that the verifier is shown in one prompt, where the paper shows it one. What it calls
    a contradiction, an instruction or a violation is dropped. Where the budget cannot hold all, the nearest to any
    rationale are taken. The paper tunes its model to write rationales; here any model is asked. Where it gives none,
    the question stands for them; where the verifier cannot be had or read, its chunks stay. One question, then one for
    each batch.
    """
    _counted("meteora", count=count, pool=pool, batch=batch)

    def judge(offered: Candidates) -> Verdict:
        few = among(offered, np.arange(min(pool, len(offered))))
        assert few.texts is not None
        instead = "the question stands for rationales, and what was not verified stays"
        with Asking(ask, "meteora", instead) as asking:
            reasons = rationales(asking, few.query, count)
            cosines = embed(reasons) @ embed(list(few.texts)).T
            chosen = told(cosines, few, neighbours)
            flagged = distrusted(asking, few.query, reasons, few, chosen, batch) if verify else {}
        out = [_beyond(pool)] * len(offered)
        out[: len(few)] = ["no rationale asks for it"] * len(few)
        for index in chosen.tolist():
            out[index] = f"the verifier calls it: {flagged[index]}" if index in flagged else ""
        worth = in_order(len(offered)) * 1e-3
        worth[: len(few)] += (1 + cosines.max(axis=0)) / 2
        return Verdict(worth, out)

    return by_verdict("meteora", judge)


@recipe(
    "chunkrag",
    family="select",
    seed="ChunkRAG: Novel LLM-Chunk Filtering Method for RAG Systems",
    claim="drops what repeats a better chunk and what a model finds irrelevant, however well its words match",
)
def chunkrag(same: float = 0.9, judges: int = 40, batch: int = 10, *, ask: Ask, embed: Embed) -> Selector:
    """The best `judges` without near-duplicates, scored by a model three times, those above a dynamic threshold.

    same: cosine above which the later of two is dropped unasked; batch: candidates in one prompt, 1 as in the paper.
    A first score, the same after reflection, and a critic's are averaged. The threshold is the scores' mean, or a half
    where they are close together; how the paper combines and sets it we know from its abstract alone, so both are our
    reconstruction. The paper also cuts the chunks, by the likeness of sentences. 3 * judges / batch questions.
    """
    _counted("chunkrag", judges=judges, batch=batch)

    def judge(offered: Candidates) -> Verdict | None:
        few = among(offered, np.arange(min(judges, len(offered))))
        assert few.texts is not None
        # Of two that say the same the later one goes: a crowd of one is enough, and one voice is heard.
        repeats = echoes(embed(list(few.texts)), same, crowd=1, voices=1)
        kept = np.flatnonzero(repeats < 0)
        with Asking(ask, "chunkrag", BY_SCORE) as asking:
            scores = relevance.asked(asking, few.query, [few.texts[index] for index in kept.tolist()], batch)
        if scores is None:
            return None
        scores = np.where(np.isnan(scores), np.clip(scaled(few.scores[kept]), 0, 1), scores)
        least = relevance.dynamic_threshold(scores)
        out = [_beyond(judges)] * len(offered)
        for index, other in enumerate(repeats.tolist()):
            out[index] = f"says the same as candidate {other + 1}" if other >= 0 else ""
        worth = in_order(len(offered)) * 1e-3
        for index, score in zip(kept.tolist(), scores.tolist(), strict=True):
            worth[index] += score
            if score < least:
                out[index] = f"the model gives it {score:.2f}, and {least:.2f} are asked for"
        return Verdict(worth, out)

    return by_verdict("chunkrag", judge)


@recipe(
    "oprm",
    family="select",
    seed="Overflow Prevention Enhances Long-Context Recurrent LLMs",
    claim="chooses the reading that holds the answer, though a model that is sure not to know is surer still",
)
def oprm(size: int = 2000, unknown: bool = True, *, lm: CausalLM) -> Selector:
    """The one reading of at most `size` tokens after which the model is surest of how its answer begins.

    Candidates are read in the order of the index, each reading by itself with the question, so that no more than one
    is ever before the model. Least entropy wins; unknown: whether readings after which the model would rather say that
    it does not know are passed over. The first token is one of the letters, digits and marks that an answer may begin
    with, by `CausalLM.choose`: exact for a model of characters, a part of the distribution for others. The byte model
    that comes with the package foretells spelling, not answers: with it the choice means nothing, and only a large
    model can show what the paper shows. The paper then decodes from the state of that reading; here it is selected.
    """
    _counted("oprm", size=size)

    def judge(offered: Candidates) -> Verdict:
        parts = readings(offered, size, adjoining=False)
        found = [first_token(lm, offered.query, text(offered, part)) for part in parts]
        knowing = [at for at, (_, unsure) in enumerate(found) if not (unknown and unsure)] or list(range(len(parts)))
        best = min(knowing, key=lambda at: (found[at][0], int(parts[at].min())))
        out = [""] * len(offered)
        for at, part in enumerate(parts):
            told = "the model does not know" if unknown and found[at][1] else f"entropy {found[at][0]:.2f} nats"
            for index in part.tolist() if at != best else ():
                out[index] = f"its reading: {told}; another: {found[best][0]:.2f}"
        return Verdict(in_order(len(offered)), out)

    return by_verdict("oprm", judge)


@recipe(
    "indic-context-shorten",
    family="select",
    seed="Long-context Non-factoid Question Answering in Indic Languages",
    claim="keeps the paragraph that holds the answer, where the best by score is one that only speaks of the subject",
    aliases=("answer-paragraph",),
)
def answer_paragraph(size: int = 256, pool: int = 40, batch: int = 8, *, ask: Ask) -> Selector:
    """The one paragraph that a model takes for the likeliest to hold the answer.

    A paragraph is a run of adjoining candidates of one document, at most `size` tokens; pool: how many, the best first,
    are asked about; batch: paragraphs shown at once, whose winners meet until one is left. The paper scores paragraphs
    with a model trained for it; its other ways to shorten (coreference, triples) work on text and are no selection.
    pool / (batch - 1) questions.
    """
    _counted("answer-paragraph", size=size, pool=pool)
    if batch < 2:
        raise UserError(f"answer-paragraph: batch={batch}; it is at least 2, or no two paragraphs ever meet")

    def judge(offered: Candidates) -> Verdict | None:
        parts = sorted(readings(offered, size, adjoining=True), key=lambda part: int(part.min()))[:pool]
        with Asking(ask, "answer-paragraph", BY_SCORE) as asking:
            found = holder(asking, offered.query, [text(offered, part) for part in parts], batch)
        if found is None:
            return None
        out = ["not in the paragraph that the model chose"] * len(offered)
        for index in parts[found].tolist():
            out[index] = ""
        return Verdict(in_order(len(offered)), out)

    return by_verdict("answer-paragraph", judge)


@recipe(
    "sage-feedback",
    family="select",
    seed="SAGE: A Framework of Precise Retrieval for RAG",
    claim="takes more when the answer is not in yet and less when most is noise, where one size is wrong for either",
)
def sage_feedback(
    of: str = "top-k", by: str = "k", size: int = 7, step: int = 1, rounds: int = 3, good: float = 9.0,
    *, ask: Ask, build: BuildOther,
) -> Selector:  # fmt: skip
    """Another selector at the size that a model settles on: it is shown what would be taken, and says more or less.

    of, by: the selector and its parameter that is a size, such as sage and at_least; size: where to begin; step: how
    much more or less, 1 in the paper, where chunks are long; rounds: questions at most; good: quality, 0 to 10, that is
    enough. Of the rounds the one of the best quality is taken. The paper judges an answer written from the chunks, here
    the chunks themselves are judged. Where the model says nothing of use the size stays as it is.
    """
    _counted("sage-feedback", size=size, step=step, rounds=rounds)
    made: dict[int, Selector] = {}

    def sized(size: int) -> Selector:
        if size not in made:
            made[size] = build(f"{of}{',' if ':' in of else ':'}{by}={size}", "select")
        return made[size]

    sized(size)  # what cannot be built is said at once

    def judge(offered: Candidates, budget: Budget) -> int:
        with Asking(ask, "sage-feedback", f"{by}={size} as it was") as asking:
            return settled(asking, sized, offered, budget, size, step, rounds, good)

    found = remembered(judge)

    def select(offered: Candidates, budget: Budget) -> Selection:
        if offered.texts is None or not offered.query.strip() or not (offered.costs <= budget.tokens).any():
            return sized(size)(offered, budget)
        return sized(found(offered, budget))(offered, budget)

    return select


@recipe(
    "guard",
    family="select",
    seed="Chunkwise's own: a crowd has one voice, against PoisonedRAG: Knowledge Corruption Attacks to "
    "Retrieval-Augmented Generation of Large Language Models",
    claim="hears many sources that push one answer as one, so that they cannot fill the pack; what disagrees stays in",
)
def guard(of: str = "coverage", alike: float = 0.15, crowd: int = 2, voices: int = 1, *, build: BuildOther) -> Selector:
    """Another selector, on candidates of which sources that say the same beyond the question count as one voice.

    A source is what the candidates of one document say; each candidate is one where documents are not known. alike:
    cosine of their words, by how rare they are among the candidates, the question's own left out: who pushes an answer
    shares it with no other but copies. crowd: with how many others a source must agree before it is taken for one of a
    crowd; voices: how many of a crowd are heard, the best first. No model is asked, and which voice is right is not
    known: the one heard may be a planted one. A single planted passage passes, and so does a crowd that is most of few
    candidates, whose words are then not rare; words of scripts without blanks between them are not told apart. It costs
    what honest sources say in agreement: benchmarks/results/poison.md.
    """
    _counted("guard", crowd=crowd, voices=voices)
    inner: Selector = build(of, "select")
    echoed = remembered(partial(_echoed, alike=alike, crowd=crowd, voices=voices))

    def select(offered: Candidates, budget: Budget) -> Selection:
        reasons = dict(echoed(offered))
        # What is out for another reason in any case is left to the selector to say.
        for index in np.flatnonzero((offered.costs > budget.tokens) | np.isnan(offered.scores)).tolist():
            reasons.pop(index, None)
        if not reasons:
            return inner(offered, budget)
        left = np.array([index for index in range(len(offered)) if index not in reasons], dtype=np.int64)
        found = inner(among(offered, left), budget)
        costs, scores = offered.costs.tolist(), offered.scores.tolist()
        decisions = {
            index: Decision(kept=False, score=scores[index], gain=0.0, cost=costs[index], reason=reason)
            for index, reason in reasons.items()
        }
        decisions.update(zip(left.tolist(), found.decisions, strict=True))
        return replace(
            found, indices=left[found.indices], decisions=tuple(decisions[index] for index in range(len(offered)))
        )

    return select


def _echoed(offered: Candidates, alike: float, crowd: int, voices: int) -> dict[int, str]:
    """Why candidates of sources that repeat others are not heard."""
    if offered.texts is None or not len(offered):
        return {}
    sources = np.arange(len(offered)) if offered.documents is None else offered.documents
    _, first, source = np.unique(sources, return_index=True, return_inverse=True)
    order = np.argsort(first)  # the source of the best candidate first
    rank: Ints = np.argsort(order)[source.reshape(-1)]
    texts: list[list[str]] = [[] for _ in order]
    for number, said_there in zip(rank.tolist(), offered.texts, strict=True):
        texts[number].append(said_there)
    repeats = echoes(said(texts, offered.query), alike, crowd, voices)
    best = first[order]
    return {
        index: f"its source repeats that of candidate {int(best[repeats[number]]) + 1}, and others do"
        for index, number in enumerate(rank.tolist())
        if repeats[number] >= 0
    }


def _beyond(count: int) -> str:
    return f"not among the {count} best, which alone were looked at"


def _counted(name: str, **given: int) -> None:
    for parameter, value in given.items():
        if value < 1:
            raise UserError(f"{name}: {parameter}={value}; it is at least 1")
