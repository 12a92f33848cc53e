"""What determines an index or a cell, as a key: the same in every run, another as soon as any of it is another."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from chunkwise import __version__
from chunkwise.evaluate import Dataset, Question
from chunkwise.units import Document


def key(*parts: Any) -> str:
    """24 hex digits for what can be written as JSON, and for other things by their names."""
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode("utf-8", "backslashreplace"), digest_size=12).hexdigest()


def of_documents(documents: Sequence[Document]) -> str:
    """The key of the documents' contents, read by this version."""
    return key(__version__, [(document.source, document.id) for document in documents])


def of_gold(dataset: Dataset, questions: Sequence[Question]) -> str:
    """The key of all that the set is scored by: these questions, true boundaries, what should stay whole."""
    boundaries = {source: list(cuts) for source, cuts in dataset.boundaries.items()}
    return key([asdict(question) for question in questions], boundaries, dict(dataset.wholes))
