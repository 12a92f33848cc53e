"""Language: which one a document is written in, so that its words are stemmed as they should be."""

from __future__ import annotations

import tempfile
from functools import cache
from typing import TYPE_CHECKING

from chunkwise.errors import StoreError
from chunkwise.retrieve.words import SNOWBALL

if TYPE_CHECKING:
    from py3langid.langid import LanguageIdentifier

SAMPLE = 2000  # characters looked at
SURE = 0.9  # of the likeliest language, below which there is none
LEAST = 40  # characters below which a guess is worth nothing


def language(text: str, media_type: str = "text/plain") -> str:
    """The ISO 639-1 code of the text's language, "" when it is not plain; source code reads as English."""
    if not media_type.startswith(("text/plain", "text/markdown", "text/html", "text/x-rst", "application/pdf")):
        return "en"
    middle = max(0, len(text) // 2 - SAMPLE // 2)
    sample = text[middle : middle + SAMPLE].strip()
    if len(sample) < LEAST:
        return ""
    code, sure = _identifier().classify(sample)
    return str(code) if sure >= SURE and (code in SNOWBALL or code in {"zh", "ja", "ko", "th"}) else ""


@cache
def _identifier() -> LanguageIdentifier:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    try:
        return LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    except OSError as error:  # the library unpacks its model into a file
        where = tempfile.gettempdir()
        raise StoreError(f"no room in {where} to unpack the language model: {error.strerror}; free some") from error
