"""Words: what a text is searched by. Unicode words, identifiers split, stems and stop words by language."""

from __future__ import annotations

import hashlib
import re
import threading
import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt
import regex

from chunkwise.retrieve.vocabulary import Vocabulary
from chunkwise.store.postings import WordCounts

if TYPE_CHECKING:
    from Stemmer import Stemmer

Terms: TypeAlias = npt.NDArray[np.uint64]

# An apostrophe within a word belongs to it (don't, l'eau). What \w leaves out of Unicode's words in `re`, the marks
# that Indic vowels and decomposed accents are, `regex` counts in.
_ascii_word = re.compile(r"\w+(?:'\w+)*")
_word = regex.compile(r"\w+(?:['’]\w+)*")
# Scripts written without blanks between words: Thai, Lao, Burmese, Khmer, kana, Han, Hangul left out (it has blanks).
_unspaced = re.compile(
    r"[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]+"
)
# run_coroutine -> run, coroutine; HTTPServer -> HTTP, Server; utf8 -> utf, 8.
_part = regex.compile(r"\p{Lu}[\p{Lu}\p{M}]*(?!\p{Ll})|\p{Lu}?[\p{Ll}\p{M}]+|[^\W\d_\p{Lu}\p{Ll}]+|\d+")

SNOWBALL = {
    "ar": "arabic", "ca": "catalan", "da": "danish", "de": "german", "el": "greek", "en": "english", "es": "spanish",
    "et": "estonian", "eu": "basque", "fi": "finnish", "fr": "french", "ga": "irish", "hi": "hindi", "hu": "hungarian",
    "hy": "armenian", "id": "indonesian", "it": "italian", "lt": "lithuanian", "ne": "nepali", "nl": "dutch",
    "no": "norwegian", "pt": "portuguese", "ro": "romanian", "ru": "russian", "sr": "serbian", "sv": "swedish",
    "ta": "tamil", "tr": "turkish", "yi": "yiddish",
}  # fmt: skip

# Words that an analyser knows before it forgets them all.
_WORDS = 1_000_000


class Words:
    """The analyser of one language.

    language: ISO 639-1 code; one that Snowball does not know, or "", is searched by plain words. Words are folded to
    one case and form; identifiers count whole and by their parts; runs of scripts without blanks by character pairs.
    """

    def __init__(self, language: str = "en") -> None:
        self.language = language
        self._stop = _stop_words(language)
        self._stemmer: Stemmer | None = None
        if language in SNOWBALL:
            from Stemmer import Stemmer

            self._stemmer = Stemmer(SNOWBALL[language])
            self._stemmer.maxCacheSize = 0  # its keeping of stems costs more than making them; words are kept here
        self._known = self._nothing()
        self._counting = threading.Lock()

    def terms(self, text: str) -> list[str]:
        """The terms of a text in order, stop words left out."""
        return [term for word in _found(text) for term in self._split(word)]

    def hashes(self, text: str) -> Terms:
        """The distinct terms of a text as the index knows them: uint64, ascending."""
        return np.unique(np.array([term_hash(term) for term in self.terms(text)], dtype=np.uint64))

    def count(self, texts: Sequence[str]) -> WordCounts:
        """The terms of many texts, counted. Each distinct word is looked at once, whatever its occurrences."""
        with self._counting:
            if len(self._known) > _WORDS:
                self._known = self._nothing()
            text, row, fan, hashes = self._known.occurrences(texts)
        terms, term = np.unique(hashes, return_inverse=True)
        begins, repeat = np.cumsum(fan) - fan, fan[row]
        inner = np.arange(repeat.sum()) - np.repeat(np.cumsum(repeat) - repeat, repeat)
        term_of, text_of = term[np.repeat(begins[row], repeat) + inner], np.repeat(text, repeat)
        entries, counts = np.unique(term_of * max(1, len(texts)) + text_of, return_counts=True)
        term_of_entry, text_of_entry = np.divmod(entries, max(1, len(texts)))
        return WordCounts(
            terms,
            np.searchsorted(term_of_entry, np.arange(len(terms) + 1)),
            text_of_entry.astype(np.int32),
            counts.astype(np.int32),
            np.bincount(text_of, minlength=len(texts)).astype(np.int32),
        )

    def _nothing(self) -> Vocabulary:
        return Vocabulary(_found, lambda word: [term_hash(term) for term in self._split(word)])

    def _split(self, word: str) -> list[str]:
        """The terms that one word stands for: itself, an identifier's parts, or pairs of characters."""
        if not word.isascii():
            word = unicodedata.normalize("NFKC", word)
            if _unspaced.search(word):
                return list(_pairs(word))
        word = word.replace("’", "'").removesuffix("'s").removesuffix("'S")
        parts = [word]
        if (len(word) > 3 and not (word.islower() or word.istitle())) or "_" in word or not word.isalpha():
            found = [part for part in _part.findall(word) if part != word]
            parts += found if len(found) > 1 or "_" in word else []
        folded = (part.strip("_").casefold() for part in parts)
        kept = (part for part in folded if part and part not in self._stop and len(part) < 200)
        return [self._stemmer.stemWord(part) if self._stemmer else part for part in kept]


def _found(text: str) -> list[str]:
    words: list[str] = (_ascii_word if text.isascii() else _word).findall(text)
    return words


def _pairs(word: str) -> Iterable[str]:
    end = 0
    for run in _unspaced.finditer(word):
        if run.start() > end:
            yield word[end : run.start()].casefold()
        text = run.group()
        yield from (text[at : at + 2] for at in range(max(1, len(text) - 1)))
        end = run.end()
    if end < len(word):
        yield word[end:].casefold()


def term_hash(term: str) -> int:
    """The 64-bit hash by which a term is stored: the same on every machine and in every run."""
    return int.from_bytes(hashlib.blake2b(term.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "little")


# The words of English that stand for no thing: published lists are either too short for questions (they keep "how",
# "what", "do") or drop content ("able", "system").
_english = frozenset(
    """a an the and or but nor so yet if then than that this these those there here it its he him his she her hers they
    them their theirs we us our ours you your yours i me my mine is are was were be been being am do does did doing
    done has have had having can could may might must shall should will would of in on at by for from with to into onto
    as about over under between among through during without within upon who whom whose which what when where why how
    not no another other any some each every all both such""".split()  # noqa: SIM905  # a list literal would be a line a word
)


def _stop_words(language: str) -> frozenset[str]:
    if language == "en":
        return _english
    from stop_words import LANGUAGE_MAPPING, get_stop_words

    return frozenset(get_stop_words(language)) if language in LANGUAGE_MAPPING else frozenset()


@lru_cache(maxsize=64)
def words(language: str = "en") -> Words:
    """The analyser of that language, made once."""
    return Words(language)
