"""Files to Documents: which files there are, what they hold, and where in the file every character came from.

walk: the readable files below some roots, and what was passed over and why (`walk.py`).
read, parse, source_of: a file, or bytes from elsewhere, as a Document, and what it is cited by (`document.py`).
pieces: a text file too large to be held whole, piece by piece (`pieces.py`).
media_type: what a file holds, by its name and its first bytes (`media.py`).

Behind them: bytes to text (`decode.py`), and the formats whose text is not the file to the character (`html.py`,
`pdf.py`, `notebook.py`), each of which lays out its text with a map back to lines or pages (`layout.py`); the elements
of a PDF's pages, by where their text is drawn (`boxes.py`).
"""

from __future__ import annotations

from chunkwise.read.document import parse, read, source_of
from chunkwise.read.media import media_type
from chunkwise.read.pieces import pieces
from chunkwise.read.walk import Skipped, walk

__all__ = ["Skipped", "media_type", "parse", "pieces", "read", "source_of", "walk"]
