"""Questions made from the documents themselves, for those who have none: each with the span that answers it."""

from __future__ import annotations

import ast
import json
import random
import re
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TypeVar

import numpy as np

from chunkwise.errors import EndpointError, FallbackWarning
from chunkwise.evaluate.dataset import Evidence, Question
from chunkwise.evaluate.sets.code import first_line
from chunkwise.evaluate.sets.quotes import places
from chunkwise.models import Ask
from chunkwise.segment import outline, sentence_bounds
from chunkwise.units import Document, LineMap, Span

Item = TypeVar("Item")

CAUTION = (
    "questions made from the text favour lexical retrieval, since they say it in the text's own words, and small"
    " chunks, since their evidence is one sentence or one definition"
)
BLANK = "____"
WINDOW = 9  # words that a cloze keeps on either side of its blank
SHORTEST, LONGEST = 45, 320  # characters of a sentence that is asked about
LONGEST_DEFINITION = 3000
PASSAGE = 1800  # characters that a language model is shown at once
GIVE_UP = 3  # failures of the language model in a row

_WORD = re.compile(r"[^\W_]+(?:['’-][^\W_]+)*")
_ENDS = re.compile(r"[.!?。！？؟।][\"'”’)\]]*\Z")
_NOISE = re.compile(r"https?://|www\.|[{}<>|\\=_@]|\.{3}|…|\(\s*\)|::|->|^\W*\d+[.)]\s")
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]")
_POINTERS = """
    it this that these those he she they we you i there here its his her their our my such both each some most
    many which what who when where if but and or so then as however also another one all either neither
"""
_POINTING = frozenset(_POINTERS.split())
_DEFINES = re.compile(
    r"(?P<article>(?:The|An?)\s)?\s*(?P<x>[^\W_][\w'’-]*(?:\s+[\w'’-]+){0,3}?)\s+(?P<be>is|are|was|were)\s+"
    r"(?:an?|the|one\s+of)\s+\S"
)
_COUNTS = re.compile(
    r"\b(?P<n>\d[\d,.]*\d|\d|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|hundreds?|thousands?)\s+"
    r"(?P<noun>[a-z]{3,}s)\b"
)
_SENTENCE = re.compile(r"(?<=[^\W_]{3}[.!?])\s+(?=[^\W\d_a-z])")
_YEAR = re.compile(r"1[5-9]\d\d|20\d\d")
_DOING = """
    accept add adjust allow append apply ask assign attach block break build bind calculate call cancel change
    check clean clear close collect combine compare compile compute configure connect construct convert copy
    count create decode define delete detach detect determine disable discard display drop dump emit enable
    encode ensure evaluate execute expand extract fetch fill filter find fix flush force format generate get
    give handle identify import include indicate initialize insert inspect install invert iterate join keep list
    load locate lock look make map mark match measure merge modify move normalize notify obtain open override
    pack parse pause perform pop prepare prevent print process produce provide push put query quote raise read
    receive record reduce refresh register release reload remove rename render repeat replace report request
    require reset resize resolve restore resume retrieve return reverse rewrite rotate round run save scan
    schedule search seek select send serialize set show shut sign skip sleep sort split start stop store strip
    submit subtract swap switch sync take terminate test transform translate traverse trim truncate try turn
    unpack update upload use validate verify wait walk wrap write yield
"""
_VERBS = frozenset(_DOING.split())


@dataclass(frozen=True, slots=True)
class Written:
    """Questions that a language model wrote. dropped: replies without a question or a quote that stands in the text."""

    questions: tuple[Question, ...]
    dropped: int


def from_text(documents: Sequence[Document], count: int = 100, seed: int = 0) -> tuple[Question, ...]:
    """At most `count` questions about the documents, made without a model; each with the verbatim span that answers it.

    Their group says how they were made: "definition" ("X is a Y." to "What is X?"), "number" ("How many arches: ..."),
    "code" (the first line of a Python docstring to "How do I ...?", the whole function as evidence), and "cloze", a
    sentence whose rarest term is left out. Only sentences that say something are asked about: rare terms, names,
    numbers; no headings, tables, links, nor what stands in the documents twice. Spread over the documents and, in each,
    over the kinds; the same for the same seed. Sentences without blanks between words (Chinese, Thai) give none.

    Nothing here says a thing in other words, so these questions favour lexical retrieval (`CAUTION`); and their
    evidence is one sentence, by the rule that chunkwise's own `sentence` cut goes by, which favours that cut.
    """
    units = [(document, span) for document in documents for span in _sentences(document)]
    told = Counter(_plain(document.text[slice(*span)]) for document, span in units)
    spread = Counter(word for said in told for word in set(_words(said)))
    dice = random.Random(seed)
    by_source: dict[str, dict[str, list[Question]]] = defaultdict(lambda: defaultdict(list))
    for document, span in units:
        said = _plain(document.text[slice(*span)])
        if told[said] == 1 and (asked := _asked_of(said, spread)):
            kind, question, answer = asked
            evidence = (Evidence(document.source, span),)
            by_source[document.source][kind].append(Question(question, evidence, answers=(answer,), group=kind))
    for document in documents:
        for question, span in _definitions(document):
            made = Question(question, (Evidence(document.source, span),), group="code")
            by_source[document.source]["code"].append(made)
    asked_for = Counter(one.text for kinds in by_source.values() for made in kinds.values() for one in made)
    queues = []
    for kinds in by_source.values():
        piles = [[one for one in kinds[name] if asked_for[one.text] == 1] for name in sorted(kinds)]
        for pile in piles:
            dice.shuffle(pile)
        queues.append(list(_in_turn(piles)))
    dice.shuffle(queues)
    return tuple(question for question, _ in zip(_in_turn(queues), range(count), strict=False))


def from_model(documents: Sequence[Document], ask: Ask, count: int = 100, seed: int = 0) -> Written:
    """At most `count` questions that a language model wrote about passages spread over the documents.

    The model is asked for a question and a verbatim quote; the quote is looked up in the passage (blanks may differ),
    and a reply without one is dropped and counted. At most twice `count` passages are shown. When the model fails
    three times in a row, `from_text` makes the rest and a FallbackWarning says so.
    """
    dice = random.Random(seed)
    queues = []
    for document in documents:
        passages = [(document, span) for span in _passages(document)]
        dice.shuffle(passages)
        queues.append(passages)
    dice.shuffle(queues)
    questions: dict[str, Question] = {}
    dropped = failed = 0
    for (document, span), _ in zip(_in_turn(queues), range(2 * count), strict=False):
        if len(questions) == count:
            break
        try:
            reply = ask(_PROMPT.format(passage=document.text[slice(*span)]))
        except EndpointError as error:
            failed += 1
            if failed < GIVE_UP:
                continue
            rest = from_text(documents, count - len(questions), seed)
            warnings.warn(
                FallbackWarning(f"the model wrote {len(questions)} questions, then: {error}; {len(rest)} made without"),
                stacklevel=2,
            )
            return Written((*questions.values(), *rest), dropped)
        failed = 0
        question, quote = _read(reply)
        found = _standing(quote, document.text, span)
        if question and found and question not in questions and _plain(quote) not in _plain(question):
            evidence = (Evidence(document.source, found),)
            questions[question] = Question(question, evidence, group="written")
        else:
            dropped += 1
    return Written(tuple(questions.values()), dropped)


_PROMPT = """\
Read the passage and write one question that it answers and that makes sense to someone who has not seen it. Use your \
own words rather than the passage's. Then quote the part of the passage that answers the question, one to three \
sentences, copied to the letter.

Reply with JSON and nothing else: {{"question": "...", "quote": "..."}}

Passage:
{passage}"""


def _sentences(document: Document) -> Iterator[Span]:
    """The sentences of running text that say something, without the blanks around them."""
    found, text = outline(document), document.text
    if not len(found.prose):
        return
    bounds = sentence_bounds(document)
    # A short heading stands in the unit of the sentence after it: what is prose at the unit's end is the sentence.
    within = found.prose[np.maximum(0, np.searchsorted(found.prose[:, 0], bounds[1:]) - 1)]
    block = np.searchsorted(found.starts, bounds[:-1], side="right") - 1
    for start, end, (opens, closes), at in zip(
        bounds[:-1].tolist(), bounds[1:].tolist(), within.tolist(), block.tolist(), strict=True
    ):
        start, end = max(start, opens), min(end, closes)
        if start >= end or found.kinds[at] == "table":
            continue
        said = text[start:end]
        span = Span(start + len(said) - len(said.lstrip()), start + len(said.rstrip()))
        if _says_something(text[slice(*span)]):
            yield span


def _says_something(said: str) -> bool:
    if not SHORTEST <= len(said) <= LONGEST or not _ENDS.search(said) or _NOISE.search(said) or "\n\n" in said:
        return False
    first, words = said[0], _words(said)
    letters = sum(map(str.isalpha, said))
    return (
        len(words) >= 6
        and letters >= 0.7 * len(said)
        and (first.isupper() or first.isdigit() or not first.isascii())
        and words[0].lower() not in _POINTING
        and not _UNSPACED.search(said)
        and not said.isupper()
    )


def _asked_of(said: str, spread: Counter[str]) -> tuple[str, str, str] | None:
    """The kind, the question and its answer; None where nothing in the sentence is rare enough to ask for."""
    if found := _DEFINES.match(said):
        article, core = found["article"] or "", " ".join(found["x"].split())
        named = [_names(word) or spread[word.lower()] <= 3 for word in _words(core)]
        if all(named) and 1 <= len(named) <= 4:
            return "definition", f"What {found['be']} {article.lower()}{core}?", core
    if (found := _COUNTS.search(said)) and not _YEAR.fullmatch(found["n"]):
        clause = _around(said, found.start(), found.end(), BLANK)
        return "number", f"How many {found['noun']}: {clause}?", found["n"]
    words = list(_WORD.finditer(said))
    rank = [(spread[word[0].lower()], not _names(word[0]), -len(word[0]), word.start()) for word in words[1:]]
    rare = [(key, word) for key, word in zip(rank, words[1:], strict=True) if len(word[0]) >= 4 or word[0].isdecimal()]
    if not rare:
        return None
    (seen, *_), word = min(rare)
    if seen > max(3, len(spread) // 500):
        return None
    return "cloze", _around(said, *word.span(), BLANK), word[0]


def _names(word: str) -> bool:
    return word[0].isupper() or any(map(str.isdigit, word))


def _around(said: str, start: int, end: int, put: str) -> str:
    """The words on either side of [start, end), which `put` takes the place of."""
    before = _SENTENCE.split(said[:start])[-1].split()[-WINDOW:]
    after = _SENTENCE.split(said[end:])[0].split()[:WINDOW]
    glued = "" if start and not said[start - 1].isspace() else " "
    tail = "" if said[end : end + 1] and not said[end].isspace() else " "
    return re.sub(r"[\s.!?,;:]+\Z", "", f"{' '.join(before)}{glued}{put}{tail}{' '.join(after)}".strip())


def _definitions(document: Document) -> Iterator[tuple[str, Span]]:
    """For each Python function whose docstring begins with what it does: how to do that, and the whole function."""
    if "python" not in document.media_type and not document.source.endswith((".py", ".pyi")):
        return
    text = document.text
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the code that is read, such as invalid escapes
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    lines = (*LineMap.of_text(text).starts, len(text))
    for node in ast.walk(tree):
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        last = min(node.end_lineno or node.lineno, len(lines) - 1)
        span = Span(lines[first_line(node) - 1], lines[last])
        definition = text[slice(*span)]
        span = Span(span.end - len(definition.lstrip()), span.start + len(definition.rstrip()))
        if (does := _does(ast.get_docstring(node) or "")) and len(definition) <= LONGEST_DEFINITION:
            yield f"How do I {does}?", span


def _does(docstring: str) -> str:
    """What a docstring's first line says that the function does, as an infinitive; "" where it says no such thing."""
    summary = " ".join(docstring.strip().partition("\n\n")[0].split())
    summary = re.split(r"(?<=[a-z)])\.(?:\s|\Z)", summary)[0].rstrip(".: ")
    verb, _, rest = summary.partition(" ")
    verb = verb.lower()
    for infinitive in (verb, verb.removesuffix("s"), verb.removesuffix("es"), f"{verb.removesuffix('ies')}y"):
        if infinitive in _VERBS and 3 <= len(rest.split()) <= 25:
            return f"{infinitive} {rest}"
    return ""


def _passages(document: Document) -> Iterator[Span]:
    """Runs of whole blocks, each at most PASSAGE characters where a block is not longer."""
    starts = [*outline(document).starts.tolist(), len(document.text)]
    begin = 0
    for block, end in pairwise(starts):
        if end - begin > PASSAGE and block > begin:
            yield from _worth(document, begin, block)
            begin = block
    yield from _worth(document, begin, len(document.text))


def _worth(document: Document, start: int, end: int) -> Iterator[Span]:
    if len(document.text[start : start + PASSAGE].split()) >= 20 or end - start >= 200:
        yield Span(start, min(end, start + PASSAGE))


def _read(reply: str) -> tuple[str, str]:
    """The question and the quote of a reply; empty where they are not to be found."""
    start, end = reply.find("{"), reply.rfind("}")
    try:
        said = json.loads(reply[start : end + 1], strict=False) if start >= 0 else None
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, dict):
        return "", ""
    question, quote = said.get("question"), said.get("quote")
    if not isinstance(question, str) or not isinstance(quote, str):
        return "", ""
    return " ".join(question.split()), quote.strip()


def _standing(quote: str, text: str, within: Span) -> Span | None:
    """Where a quote of at least three words stands in that part of the text, whatever its blanks; None if nowhere."""
    if len(quote.split()) < 3 and len(quote) < 12:
        return None
    found = next(places(text[slice(*within)], quote), None)
    return Span(within.start + found.start, within.start + found.end) if found else None


def _words(said: str) -> list[str]:
    return _WORD.findall(said)


def _plain(said: str) -> str:
    return " ".join(said.split())


def _in_turn(queues: Iterable[Sequence[Item]]) -> Iterator[Item]:
    """The first of each, then the second of each, and so on."""
    waiting = [iter(queue) for queue in queues]
    while waiting:
        going = []
        for queue in waiting:
            for one in queue:
                yield one
                going.append(queue)
                break
        waiting = going
