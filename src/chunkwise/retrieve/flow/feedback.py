"""Feedback: what the texts that were found add to a question, so that it can be asked again."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence


def expanded(question: str, texts: Sequence[str], analyse: Callable[[str], Sequence[str]], terms: int) -> str:
    """The question with the words that tell the found texts apart from it most.

    Words are weighed by how many of the texts hold them, and by how long they are, which tells names from the words
    that everything is made of. analyse: text to its terms. The words are written as the texts have them; ties go to the
    word that is met first.

    Source: Rocchio, Relevance Feedback in Information Retrieval, in its simplest form: the first texts are taken for
    relevant.
    """
    asked = set(analyse(question))
    met: dict[str, str] = {}
    held: Counter[str] = Counter()
    for text in texts:
        here: dict[str, str] = {}
        for word in text.split():
            plain = word.strip("\"'“”‘’.,;:!?()[]{}<>*_`|#")
            for term in analyse(plain)[:1]:
                if term not in asked and not term.isdigit():
                    here.setdefault(term, plain)
        held.update(here.keys())
        for term, word in here.items():
            met.setdefault(term, word)
    order = sorted(met, key=lambda term: -held[term] * math.log1p(len(term)))
    return " ".join([question, *(met[term] for term in order[:terms])])
