"""PDF pages as text."""

from __future__ import annotations

from io import BytesIO

import pytest
from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from chunkwise.errors import ReadError
from chunkwise.read import parse
from chunkwise.units import Span


def pdf(*pages: str, title: str = "", password: str | None = None) -> bytes:
    """A PDF with one line of Helvetica on each page."""
    writer = PdfWriter()
    for text in pages:
        page = writer.add_blank_page(300, 200)
        font = DictionaryObject(
            {NameObject("/Type"): NameObject("/Font"), NameObject("/Subtype"): NameObject("/Type1")}
        )
        font[NameObject("/BaseFont")] = NameObject("/Helvetica")
        fonts = DictionaryObject({NameObject("/F1"): writer._add_object(font)})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
        stream = DecodedStreamObject()
        stream.set_data(f"BT /F1 12 Tf 20 100 Td ({text}) Tj ET".encode() if text else b"")
        page[NameObject("/Contents")] = writer._add_object(stream)
    if title:
        writer.add_metadata({"/Title": title})
    if password is not None:
        writer.encrypt(password, "owner", algorithm="RC4-128")
    data = BytesIO()
    writer.write(data)
    return data.getvalue()


def test_pages() -> None:
    document = parse(pdf("One duck.", "", "Three ducks.", title="Ducks"), "a.pdf")
    assert document.text == "One duck.\n\nThree ducks."
    assert document.metadata == {"title": "Ducks"}
    assert document.lines.cite("a.pdf", Span(0, 3)) == "a.pdf p.1"
    assert document.lines.cite("a.pdf", Span(11, 16)) == "a.pdf p.3"
    assert document.lines.cite("a.pdf", Span(0, 16)) == "a.pdf p.1-3"


def test_name_does_not_matter() -> None:
    assert parse(pdf("One duck."), "paper").text == "One duck."


@pytest.mark.parametrize("share", [0.1, 0.5, 0.95])
def test_truncated(share: float) -> None:
    data = pdf("One duck.", "Two ducks.")
    with pytest.raises(ReadError, match=r"a\.pdf: the PDF is cut short"):
        parse(data[: int(len(data) * share)], "a.pdf")


def test_damaged() -> None:
    data = pdf("One duck.")
    for broken in (
        b"%PDF-1.4\n%%EOF",
        b"",
        b"words\n%%EOF",
        data.replace(b"/Pages", b"/Sagep").replace(b"obj", b"job"),
    ):
        with pytest.raises(ReadError, match=r"a\.pdf: the PDF"):
            parse(broken, "a.pdf")


def test_locked() -> None:
    assert parse(pdf("One duck.", password=""), "a.pdf").text == "One duck."
    with pytest.raises(ReadError, match=r"a\.pdf: the PDF is locked with a password"):
        parse(pdf("One duck.", password="secret"), "a.pdf")


def test_no_text() -> None:
    with pytest.raises(ReadError, match=r"a\.pdf: the PDF has no text.*OCR"):
        parse(pdf("", ""), "a.pdf")
