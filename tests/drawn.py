"""PDFs drawn for tests: each text at its place, in its size."""

from __future__ import annotations

from io import BytesIO

from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject

Text = tuple[float, float, float, str]  # points from the left and from the bottom, font size, text
WIDE, HIGH = 600, 800


def column(left: float, top: float, lines: list[str], size: float = 10, leading: float = 12) -> list[Text]:
    return [(left, top - at * leading, size, line) for at, line in enumerate(lines)]


def drawn(*pages: list[Text], bold: bool = False) -> bytes:
    """A PDF of Helvetica with those texts, drawn in that order."""
    writer = PdfWriter()
    for texts in pages:
        page = writer.add_blank_page(WIDE, HIGH)
        font = DictionaryObject(
            {NameObject("/Type"): NameObject("/Font"), NameObject("/Subtype"): NameObject("/Type1")}
        )
        font[NameObject("/BaseFont")] = NameObject("/Helvetica-Bold" if bold else "/Helvetica")
        fonts = DictionaryObject({NameObject("/F1"): writer._add_object(font)})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/Font"): fonts})
        stream = DecodedStreamObject()
        stream.set_data("".join(f"BT /F1 {s} Tf {x} {y} Td ({text}) Tj ET\n" for x, y, s, text in texts).encode())
        page[NameObject("/Contents")] = writer._add_object(stream)
    data = BytesIO()
    writer.write(data)
    return data.getvalue()
