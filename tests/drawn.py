"""PDFs drawn for tests: each text at its place, in its size."""

from __future__ import annotations

from io import BytesIO

from pypdf import PdfWriter
from pypdf.generic import DecodedStreamObject, DictionaryObject, NameObject, NumberObject

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


def pictured(data: bytes, *numbers: int) -> bytes:
    """The PDF with those of its pages, from 1, showing one grey pixel and nothing else, as a scan does."""
    writer = PdfWriter(clone_from=BytesIO(data))
    for page in (writer.pages[number - 1] for number in numbers):
        pixel, shown = DecodedStreamObject(), DecodedStreamObject()
        for name, value in {"/Subtype": "/Image", "/ColorSpace": "/DeviceGray"}.items():
            pixel[NameObject(name)] = NameObject(value)
        for name, size in {"/Width": 1, "/Height": 1, "/BitsPerComponent": 8}.items():
            pixel[NameObject(name)] = NumberObject(size)
        pixel.set_data(b"\x80")
        shown.set_data(b"q 300 0 0 200 0 0 cm /Im0 Do Q")
        images = DictionaryObject({NameObject("/Im0"): writer._add_object(pixel)})
        page[NameObject("/Resources")] = DictionaryObject({NameObject("/XObject"): images})
        page[NameObject("/Contents")] = writer._add_object(shown)
    made = BytesIO()
    writer.write(made)
    return made.getvalue()
