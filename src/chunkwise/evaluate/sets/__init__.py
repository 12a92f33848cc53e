"""The sets to measure on, each as a Dataset.

load(name, data)           a set of SETS out of the folder that holds them, or a JSONL file of one's own
own(questions, documents)  questions of one's own over documents that are read already (`own.py`)

spans.py    questions with the spans that answer: chroma_chunking, squad_xquad_en, covid_qa, nq_passages, multihop
judged.py   questions with documents judged for them: cranfield, long_docs_leval
parts.py    texts whose parts are known: chapter_boundaries, layout_docs
code.py     definitions of Python's standard library: code_spans_stdlib
rows.py     JSON lines, packed or not;  quotes.py  where in a text a quote stands
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from pathlib import Path

from chunkwise.errors import UserError
from chunkwise.evaluate.dataset import Dataset
from chunkwise.evaluate.sets import code, judged, parts, spans
from chunkwise.evaluate.sets.own import own, own_folder

__all__ = ["SETS", "load", "own"]

SETS: dict[str, Callable[[Path], Dataset]] = {
    "chroma_chunking": spans.chroma_chunking,
    "squad_xquad_en": spans.squad_xquad_en,
    "covid_qa": spans.covid_qa,
    "nq_passages": spans.nq_passages,
    "nq_answers": spans.nq_answers,
    "multihop": spans.multihop,
    "cranfield": judged.cranfield,
    "long_docs_leval": judged.long_docs_leval,
    "chapter_boundaries": parts.chapter_boundaries,
    "layout_docs": parts.layout_docs,
    "code_spans_stdlib": code.code_spans_stdlib,
}
"""Each set by its name: what reads it from its folder, which bears that name (`nq_answers` is nq_passages too)."""


def load(name: str | Path, data: Path | str | None = None) -> Dataset:
    """The set of that name in SETS, from `data`, the folder that holds the sets; or a user's own.

    A user's own is the path of a JSONL file, over the documents at and below `data`, by default the file's own folder:
    see `own`. Raises UserError for a name or folder that is not there and for a row that cannot be read; what can be
    left out, such as one question, is left out with a SkippedWarning.
    """
    read = SETS.get(str(name))
    if read is None:
        path = Path(name)
        if path.is_file():
            return own_folder(path, Path(data) if data is not None else path.parent)
        near = difflib.get_close_matches(str(name), SETS, 1)
        hint = f"did you mean {near[0]}?" if near else f"name one of {', '.join(SETS)}, or a JSONL file"
        raise UserError(f"no set and no file {str(name)!r}: {hint}")
    if data is None:
        raise UserError(f"{name} is read from the folder that holds the sets: say which with --data")
    folder = Path(data) / ("nq_passages" if name == "nq_answers" else str(name))
    if not folder.is_dir():
        raise UserError(f"{folder}: no such folder; give the folder that holds {folder.name} as --data")
    try:
        return read(folder)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{folder}: a row is not as {name} has them ({error!r}); copy the set again") from error
