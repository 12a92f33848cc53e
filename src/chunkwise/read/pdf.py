"""PDF to text, page by page."""

from __future__ import annotations

import logging
import warnings
from io import BytesIO
from typing import TYPE_CHECKING

from chunkwise.errors import ReadError, SkippedWarning
from chunkwise.read.boxes import Runs, elements
from chunkwise.read.decode import sound
from chunkwise.read.layout import Layout, Reading

if TYPE_CHECKING:
    from pypdf import PdfReader

SHOWN = 5  # pages that are named of those left out


def read_pdf(data: bytes, source: str) -> Reading:
    """The text of a PDF's pages, a blank line between them, mapped to page numbers.

    Hyphens at line ends stay as they are. The layout's elements are boxed as the page is drawn, a page without text has
    none. Pages that show only pictures are left out with a SkippedWarning. Raises ReadError for a truncated, damaged or
    locked file, and for one that has no text at all, such as a scan.
    """
    if b"%%EOF" not in data.rstrip(b"\0\t\n\r ")[-4096:]:
        raise ReadError(f"{source}: the PDF is cut short (no end mark); fetch the whole file again")
    pages = Layout()
    pictures: list[str] = []
    try:
        reader = _open(data, source)
        for number, page in enumerate(reader.pages, 1):
            runs = Runs()
            drawn = page.extract_text(visitor_text=runs.visit)
            text = sound(drawn).rstrip()
            if text.strip():
                pages.add("\n\n" if len(pages) else "")
                start = len(pages)
                pages.add(text, number)
                if len(sound(drawn)) == len(drawn):  # else the runs stand elsewhere
                    box = page.mediabox
                    pages.place(*elements(text, runs.found, number, float(box.top), start))
            elif len(page.images):
                pictures.append(str(number))
        about = reader.metadata
        title = sound(str((about and about.title) or ""))
    except ReadError:
        raise
    except Exception as error:  # pypdf meets damage with errors of every kind
        raise ReadError(
            f"{source}: the PDF is damaged ({error or type(error).__name__}); repair or replace it"
        ) from error
    if not len(pages):
        raise ReadError(f"{source}: the PDF has no text, only pictures; run OCR on it first (such as ocrmypdf)")
    if pictures:
        one = len(pictures) == 1
        what = "1 page shows only a picture and was" if one else f"{len(pictures)} pages show only pictures and were"
        which = ", ".join(pictures[:SHOWN]) + (" ..." if len(pictures) > SHOWN else "")
        said = f"{source}: {what} left out (p. {which}); run OCR on the file to have them (such as ocrmypdf)"
        warnings.warn(SkippedWarning(said), stacklevel=2)
    return pages.reading("page", " ".join(title.split()))


def _open(data: bytes, source: str) -> PdfReader:
    """The PDF, unlocked where the empty password opens it."""
    from pypdf import PdfReader
    from pypdf.errors import DependencyError

    # Its warnings on odd but readable files would go to the terminal of whoever has set up no logging.
    logging.getLogger("pypdf").addHandler(logging.NullHandler())
    try:
        reader = PdfReader(BytesIO(data))
        locked = reader.is_encrypted and not reader.decrypt("")
    except DependencyError as error:
        raise ReadError(f"{source}: the PDF is encrypted; `pip install cryptography` to read it") from error
    if locked:
        raise ReadError(f"{source}: the PDF is locked with a password; save it without one")
    return reader
