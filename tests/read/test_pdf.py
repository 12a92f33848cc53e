"""PDF pages as text."""

from __future__ import annotations

import warnings
from dataclasses import replace
from io import BytesIO

import pytest
from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

from chunkwise.errors import ReadError, SkippedWarning
from chunkwise.read import parse
from chunkwise.units import Document, Span
from drawn import column, drawn, pictured


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


def shown(document: Document) -> list[tuple[str, str]]:
    return [(at.kind, document.text[at.span.start : at.span.end]) for at in document.layout]


def test_elements_of_two_columns() -> None:
    left = column(40, 700, ["The left column has words", "on two lines.", "", "And a second paragraph."])
    right = column(330, 700, ["The right column", "has its own."])
    title = [(40.0, 750.0, 18.0, "A title over both")]
    document = parse(drawn(title + left[:2] + left[3:] + right), "a.pdf")
    assert shown(document) == [
        ("heading", "A title over both"),
        ("text", "The left column has words\non two lines."),
        ("text", "And a second paragraph."),
        ("text", "The right column\nhas its own."),
    ]
    boxes = [at.box for at in document.layout]
    assert [(round(box[0]), round(box[1])) for box in boxes if box] == [(40, 32), (40, 90), (40, 126), (330, 90)]
    assert all(box and box[0] < box[2] and box[1] < box[3] for box in boxes)


def test_elements_of_lists_and_tables() -> None:
    items = column(60, 700, ["- one thing", "- another thing"])
    rows = [(60 + 150.0 * at, 600 - 14.0 * row, 10.0, f"cell {row} {at}") for row in range(3) for at in range(3)]
    document = parse(drawn(items + rows + column(60, 500, ["The words below it are a paragraph."])), "a.pdf")
    assert [kind for kind, _ in shown(document)] == ["list", "table", "text"]


def test_bold_titles() -> None:
    assert [kind for kind, _ in shown(parse(drawn(column(60, 700, ["All of it is bold"]), bold=True), "a.pdf"))] == [
        "text"
    ]


def test_pages_without_text_have_no_elements() -> None:
    document = parse(drawn([], column(60, 700, ["Words."]), []), "a.pdf")
    assert [(at.page, at.kind) for at in document.layout] == [(2, "text")]
    with pytest.raises(ReadError, match="no text"):
        parse(drawn([]), "a.pdf")


def test_scanned_pages_among_others() -> None:
    with pytest.warns(SkippedWarning, match=r"a\.pdf: 2 pages show only pictures .* \(p\. 2, 5\); run OCR") as told:
        document = parse(pictured(pdf("One duck.", "", "", "Four ducks.", ""), 2, 5), "a.pdf")
    assert len(told) == 1
    assert document.text == "One duck.\n\nFour ducks."
    assert document.lines.cite("a.pdf", Span(11, 16)) == "a.pdf p.4"
    with pytest.raises(ReadError, match=r"a\.pdf: the PDF has no text.*OCR"):
        parse(pictured(pdf("", ""), 1), "a.pdf")


def test_an_empty_page_is_nothing_left_out() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert parse(pdf("One duck.", ""), "a.pdf").text == "One duck."


def test_elements_lie_in_the_text_in_order() -> None:
    document = parse(drawn(*[column(60, 700, ["One line", "two lines"]) for _ in range(3)]), "a.pdf")
    ends = [0, *(edge for at in document.layout for edge in at.span)]
    assert ends == sorted(ends)
    assert ends[-1] == len(document.text)
    assert document == replace(document, layout=())
