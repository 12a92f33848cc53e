"""Compressors: passages in, passages that cost less out."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from chunkwise.asking import Asking
from chunkwise.budget import Budget
from chunkwise.compress import Compressor
from chunkwise.compress.coreference import Resolved
from chunkwise.compress.digest import digested
from chunkwise.compress.extract import kept
from chunkwise.compress.group import marginal_winners
from chunkwise.compress.memory import Memory, remembered
from chunkwise.compress.rewrite import shortened
from chunkwise.compress.spend import LEAST, Worth, allotted, best_of, bought, fitted
from chunkwise.compress.statement import Statement, quoted, shared_out, spoken
from chunkwise.compress.thought import concluded, trimmed
from chunkwise.compress.unit import Units, key_phrases, paragraphs, phrases, sentences, units
from chunkwise.compress.value import (
    by_passage,
    by_rarity,
    by_shared_words,
    by_surprise,
    by_words,
    vectors,
)
from chunkwise.errors import UserError
from chunkwise.models import Ask, CausalLM, Embed
from chunkwise.recipe import BuildOther, recipe
from chunkwise.select import Distance, Gain, Relevance, Weighted, greedy
from chunkwise.tokens import Tokenizer
from chunkwise.units import Document, Passage, Span

LEADS = 0.05  # what being the best of its group counts for in a sentence
TRUST = 0.3  # what the retriever's score of a passage counts for beside the question's words in a unit


@recipe(
    "truncate",
    family="compress",
    seed="The plain control: what most pipelines do with a prompt that is too long",
    claim="keeps the best passages whole and the beginning of the last one that fits, and no more",
)
def truncate(*, tokenizer: Tokenizer) -> Compressor:
    """Passages by score as long as they fit, and the beginning of the first that does not."""

    def compress(query: str, passages: Sequence[Passage], budget: Budget) -> list[Passage]:
        saying = [at for at, passage in enumerate(passages) if passage.text.strip()]
        saying.sort(key=lambda at: (-passages[at].score, at))

        def make(room: int) -> list[Passage]:
            taken = dict[int, Passage]()
            for at in saying:
                passage = passages[at]
                if passage.tokens <= room:
                    taken[at] = passage
                    room -= passage.tokens
                    continue
                if (beginning := _beginning(passage, room, tokenizer)) is not None:
                    taken[at] = beginning
                break
            return [taken[at] for at in sorted(taken)]

        return fitted(make, budget)

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


@recipe(
    "extract",
    family="compress",
    seed="A Class of Submodular Functions for Document Summarization",
    claim="keeps the sentences that cover the question's words, wherever they stand, with no model at all",
    aliases=("sentences",),
)
def extract(spread: float = 1.0, floor: float = 0.2, *, tokenizer: Tokenizer) -> Compressor:
    """Sentences, or statements of code, by value per token: what they say of the question that was not yet said.

    spread: how many budgets full of its strongest evidence take a word's worth 1/e of the way to `floor`, as in the
    selector `coverage`, whose gain it is. No model; every sentence stands in its source.
    """

    def compress(query: str, passages: Sequence[Passage], budget: Budget) -> list[Passage]:
        cut = units(passages, sentences, tokenizer)
        worth = _worth(query, cut)
        return bought(cut, lambda: worth.covering(cut.costs, budget.tokens, spread, floor), budget, tokenizer)

    return compress


@recipe(
    "selective-context",
    family="compress",
    seed="Compressing Context to Enhance Inference Efficiency of Large Language Models",
    claim="leaves out the phrases that a language model foretells, where the same share by chance loses facts",
)
def selective_context(*, lm: CausalLM, tokenizer: Tokenizer) -> Compressor:
    """The phrases that surprise a language model most, of passages whatever the question.

    Phrases are runs that a mark or a function word ends, where the paper takes noun phrases of a parser. With the byte
    model that comes with the package the surprise is that of a very small model.
    """

    def compress(query: str, passages: Sequence[Passage], budget: Budget) -> list[Passage]:
        cut = units(passages, phrases, tokenizer)
        nats = by_surprise(cut, lm) + np.float32(1e-3)
        return bought(cut, lambda: Relevance(nats), budget, tokenizer)

    return compress


@recipe(
    "comi",
    family="compress",
    seed="COMI: Coarse-to-fine Context Compression via Marginal Information Gain",
    claim="of sentences that say the same it keeps one, and spends the budget where something new is said",
)
def comi(
    relevance: float = 1.0, redundancy: float = 1.0, trust: float = 0.3, *, embed: Embed, tokenizer: Tokenizer
) -> Compressor:
    """Sentences of the highest marginal information gain: relevance to the question less what others have said.

    relevance, redundancy: weights of the cosine with the question and with the nearest sentence taken; trust: of the
    retriever's score, which the paper, given one text, has not. Coarse: sentences stand in as many groups as the budget
    holds sentences, and groups of low gain are made long, of high gain short. Fine: sentences are taken one by one by
    their gain, to which being the best of a group adds a little. The paper merges the hidden states of a trained model,
    weighted by the same scores; here text is kept or dropped. Where the embedder fails it is `extract`, with a
    FallbackWarning.
    """

    def compress(query: str, passages: Sequence[Passage], budget: Budget) -> list[Passage]:
        cut = units(passages, sentences, tokenizer)
        seen = vectors(embed, query, cut.texts, "comi") if len(cut) else None
        if seen is None:
            return extract(tokenizer=tokenizer)(query, passages, budget)
        asked, said = seen
        near = (relevance * np.maximum(said @ asked, 0) + trust * by_passage(cut)).astype(np.float32)
        groups = -(-len(cut) * budget.tokens // max(1, int(cut.costs.sum())))
        first = marginal_winners(near, said, redundancy, groups)
        leading = near + np.float32(LEADS) * first

        def gain() -> Gain:  # less what is redundant, as more for what is not: a gain below 0 would not be taken at all
            return Weighted(relevance=(1.0, Relevance(leading)), new=(redundancy, Distance(said)))

        return bought(cut, gain, budget, tokenizer)

    return compress


@recipe(
    "scope",
    family="compress",
    seed="SCOPE: A Generative Approach for LLM Prompt Compression",
    claim="what is relevant is shortened least, and names and numbers survive a rewriting that would drop them",
)
def scope(
    size: int = 96, least: int = 16, keep: int = 4, *, ask: Ask, embed: Embed, tokenizer: Tokenizer, build: BuildOther
) -> Compressor:
    """Semantic chunks, each rewritten to the length that its relevance earns it, its keywords kept.

    size: tokens of a chunk at the most; least: one of fewer tokens, an outlier, is merged into its neighbour; keep: how
    many names, numbers, identifiers and citations of each chunk must survive. Lengths are shared out by relevance to
    the question; a chunk whose share holds it whole is not touched. One question to the model for each of the others,
    four at a time. What is left, as where no reply can be used, buys the best sentences of the chunks that are not
    there, and a FallbackWarning says so once. How relevance becomes a ratio is our reconstruction.
    """
    cut_up = build(f"semantic:size={size},least={least}", "segment")

    def chunks(passage: Passage) -> list[Span]:
        spans: list[Span] = cut_up(Document.of(passage.text, passage.source), tokenizer.offsets(passage.text))
        return spans

    def compress(query: str, passages: Sequence[Passage], budget: Budget) -> list[Passage]:
        chunked, cut = (units(passages, by, tokenizer) for by in (chunks, sentences))
        if not len(chunked):
            return []
        weights = by_words(query, chunked).sum(axis=1) + TRUST * by_passage(chunked)
        if (seen := vectors(embed, query, chunked.texts, "scope")) is not None:
            weights = weights + np.maximum(seen[1] @ seen[0], 0)
        sizes = allotted(chunked.costs, weights, budget.text(passages))
        with Asking(ask, "scope", "the best sentences stand for the chunk") as asking:
            short = shortened(chunked, sizes, keep, query, asking, tokenizer)
        told = np.array([at in short or whole for at, whole in enumerate(sizes >= chunked.costs)])
        inside = cut.within(chunked)
        left = budget.tokens - int(short.units.costs[told].sum())
        picked = best_of(cut, _worth(query, cut), np.flatnonzero(~told[inside]), left)
        pieces = short.units.only(np.flatnonzero(told)).plus(cut.only(picked))
        worth = np.concatenate((weights[told], weights[inside[picked]]))
        return fitted(
            lambda room: pieces.assembled(
                greedy(pieces.costs, room, Relevance(worth)).taken, tokenizer, instead=short.instead
            ),
            budget,
        )

    return compress


@recipe(
    "context-shorten",
    family="compress",
    seed="Long-context Non-factoid Question Answering in Indic Languages",
    claim="the paragraph that answers is kept, with names for its pronouns, which word overlap alone would lose",
)
def context_shorten(ahead: float = 2.0, *, embed: Embed, tokenizer: Tokenizer) -> Compressor:
    """Sentences of the paragraphs most likely to answer, a name in place of the pronoun that opens one.

    ahead: budgets full of the best paragraphs, whose sentences are looked at. A paragraph's score is the cosine with
    the question and what it says of its words, where the paper has a cross-encoder. Pronouns are resolved before
    anything is scored, by `coreference.antecedents`: rules for English, where the paper has models for Indic languages;
    other text is scored as it stands. A name is put in where the sentence before is not kept, and is no part of the
    source. The paper's triples (open information extraction) are left out: it found them no help when verbalised.
    """

    def compress(query: str, passages: Sequence[Passage], budget: Budget) -> list[Passage]:
        cut, blocks = (units(passages, by, tokenizer) for by in (sentences, paragraphs))
        names = Resolved.of(cut)
        if not len(cut):
            return []
        block = cut.within(blocks)
        texts = [""] * len(blocks)
        for at, text in zip(block.tolist(), names.texts, strict=True):
            texts[at] += text
        worth = by_words(query, blocks, texts).sum(axis=1) + TRUST * by_passage(blocks)
        if (seen := vectors(embed, query, texts, "context-shorten")) is not None:
            worth = worth + np.maximum(seen[1] @ seen[0], 0)
        best = np.argsort(-worth, kind="stable")
        before = np.cumsum(blocks.costs[best]) - blocks.costs[best]
        looked = np.isin(block, best[before < ahead * budget.tokens])
        aspects = by_words(query, cut, names.texts)
        choice = Worth((aspects.sum(axis=1) + TRUST * worth[block]) * looked, aspects * looked[:, None])

        def make(room: int) -> list[Passage]:
            taken = greedy(cut.costs, room, choice.covering(cut.costs, budget.tokens)).taken
            return cut.assembled(taken, tokenizer, instead=names.instead(taken))

        return fitted(make, budget)

    return compress


@recipe(
    "kant",
    family="compress",
    seed="Key-Augmented Neural Triggers for Knowledge Sharing",
    claim="key phrases lead a question to the facts they stand in, and stand for the rest in a shorter prompt",
    aliases=("anchors",),
)
def kant(facts: float = 0.7, *, tokenizer: Tokenizer) -> Compressor:
    """The sentences whose key phrases the question asks for, and of the other passages their key phrases alone.

    facts: the share of the budget that sentences may take, 0 to 1. The paper trains a model on questions made of a
    repository, so that short anchors in the prompt call up what the weights have learnt. Here nothing is trained: an
    anchor is a phrase of the text, what it calls up is the sentence that it stands in, and the anchors of the rest tell
    the reader what else there is to ask for.
    """

    def compress(query: str, passages: Sequence[Passage], budget: Budget) -> list[Passage]:
        stored, anchors = (units(passages, by, tokenizer) for by in (sentences, key_phrases))
        if not len(anchors):
            return extract(tokenizer=tokenizer)(query, passages, budget)
        hit = by_words(query, anchors)
        called = np.zeros((len(stored), hit.shape[1]), dtype=np.float32)
        np.maximum.at(called, anchors.within(stored), hit)
        choice = Worth(called.sum(axis=1) * (1 + TRUST * by_passage(stored)), called)
        rare = by_rarity(anchors) * by_passage(anchors)
        both = stored.plus(anchors)

        def make(room: int) -> list[Passage]:
            told = greedy(stored.costs, int(facts * room), choice.covering(stored.costs, budget.tokens)).taken
            silent = ~np.isin(anchors.of, stored.of[told])
            left = room - int(stored.costs[told].sum())
            shown = greedy(anchors.costs, left, Relevance(rare * silent)).taken
            return both.assembled([*told, *(len(stored) + at for at in shown)], tokenizer)

        return fitted(make, budget)

    return compress


@recipe(
    "prism",
    family="compress",
    seed="Long-Range Tasks Using Short-Context LLMs: Incremental Reasoning With Structured Memories",
    claim="a bounded memory of typed entries keeps facts met early, under prompts that share most of their prefix",
)
def prism(types: str = "person|place|event|number|fact", *, ask: Ask, tokenizer: Tokenizer) -> Compressor:
    """What a model writes into a typed memory as it reads the passages one by one, each entry under its passage.

    types: of the entries, between bars. The memory is bounded by the budget; a prompt is the instructions, the memory
    in the order it was written and the next passage, so that it begins as the last one did. One question a passage, one
    after the other. A passage with no usable reply has its best sentences written into the memory, and a
    FallbackWarning says so once. What is written anew cites its whole passage.
    """
    kinds = [kind.strip().casefold() for kind in types.split("|") if kind.strip()]

    def compress(query: str, passages: Sequence[Passage], budget: Budget) -> list[Passage]:
        if not passages or not budget.tokens:
            return []
        best = _best_of_each(query, units(passages, sentences, tokenizer))
        share = max(2 * LEAST, budget.tokens // len(passages))
        worth = by_shared_words(query, passages)
        memory = Memory(budget.tokens, worth, tokenizer)
        with Asking(ask, "prism", "the best sentences of a passage are remembered") as asking:
            remembered(passages, query, kinds, memory, lambda number: best(number, share), asking)
        held = memory.statements
        return spoken(held, worth, passages, budget, tokenizer)

    return compress


@recipe(
    "mapreduce-v2",
    family="compress",
    seed="LLMtimesMapReduce-V2: Entropy-Driven Convolutional Test-Time Scaling for Generating Long-Form Articles from"
    " Extremely Long Resources",
    claim="digests of neighbours merged in layers tell more a token each time, and every passage is still cited",
)
def mapreduce(width: int = 3, *, ask: Ask, tokenizer: Tokenizer) -> Compressor:
    """Digests of all passages, merged with their neighbours layer by layer, each line under a passage it comes from.

    width: how many neighbouring digests are merged, 3 or more; windows overlap by one. Every line bears the numbers of
    its passages through all layers, so that what is said can be cited. A merge that tells less than its parts, or none
    that can be read, is replaced by their most informative lines; a passage with no usable digest by its best
    sentences, and a FallbackWarning says so once. About two questions for each passage, four at a time.
    """
    if width < 3:
        raise UserError(f"width={width}: digests that overlap by one shrink from three on; give width=3 or more")

    def compress(query: str, passages: Sequence[Passage], budget: Budget) -> list[Passage]:
        told = [passage for passage in passages if passage.text.strip()]
        if not told or not budget.tokens:
            return []
        best = _best_of_each(query, units(told, sentences, tokenizer))
        with Asking(ask, "mapreduce-v2", "the most informative lines stand for the digest") as asking:
            made = digested(told, query, width, budget.text(told), best, asking, tokenizer)
        held = shared_out([one for digest in made.layers[-1] for one in digest])
        silent = set(range(len(told))) - {one.of[0] for one in held}
        held += [one for number in sorted(silent) for one in best(number, LEAST * 2)[:1]]
        return spoken(held, by_shared_words(query, told), told, budget, tokenizer)

    return compress


@recipe(
    "trimr",
    family="compress",
    seed="TrimR: Verifier-based Training-Free Thinking Compression for Efficient Test-Time Scaling",
    claim="a reasoning trace ends where it has agreed with itself often enough, its answer unchanged",
)
def trimr(agree: int = 2, *, tokenizer: Tokenizer) -> Compressor:
    """Reasoning traces up to the thought in which the same answer was reached `agree` times in a row.

    Thoughts that repeat an earlier one are left out too. What still does not fit is chosen sentence by sentence, the
    one that states the answer first. The paper's verifier is a small model that compares answers while the model
    thinks; here answers are compared by normal form, on a trace that is there: one that concludes something else later
    is not stopped before. `thought.enough` is the rule for one that is still being written. Other text is as with
    `extract`. Nothing is asked of any model; how much time it saves is the endpoint's to show.
    """
    if agree < 1:
        raise UserError(f"agree={agree}: give 1 or more conclusions; 2 stops at the first that is confirmed")

    def compress(query: str, passages: Sequence[Passage], budget: Budget) -> list[Passage]:
        short = [kept(passage, trimmed(passage, agree), tokenizer) for passage in passages]
        told = [passage for passage in short if passage is not None]
        cut = units(told, sentences, tokenizer)
        worth = _worth(query, cut)
        final = {int(of): at for at, (of, text) in enumerate(zip(cut.of, cut.texts, strict=True)) if concluded(text)}
        return bought(cut, lambda: worth.covering(cut.costs, budget.tokens), budget, tokenizer, first=final.values())

    return compress


def _worth(query: str, cut: Units) -> Worth:
    """The units by what they say of the question and how well their passage was found."""
    aspects = by_words(query, cut)
    return Worth(aspects.sum(axis=1) + TRUST * by_passage(cut), aspects)


def _best_of_each(query: str, cut: Units) -> Callable[[int, int], tuple[Statement, ...]]:
    """The sentences of a passage, by its number, that so many tokens buy."""
    worth = _worth(query, cut)

    def best(number: int, size: int) -> tuple[Statement, ...]:
        return tuple(quoted(cut, best_of(cut, worth, np.flatnonzero(cut.of == number), size).tolist()))

    return best
