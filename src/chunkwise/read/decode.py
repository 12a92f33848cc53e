"""Bytes to text, in whatever encoding they are: what is declared, what fits, and at worst what can be saved."""

from __future__ import annotations

import codecs
import re

SAMPLE = 32_768  # bytes that an unknown encoding is guessed from

_boms = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16: its mark begins with UTF-16's
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_cookie = re.compile(rb"(?:[ \t\f]*(?:#[^\r\n]*)?\r?\n)?[ \t\f]*#[^\r\n]*?coding[:=][ \t]*([-\w.]+)")
_declared = re.compile(
    rb"<(?:meta[^>]{0,200}?charset|\?xml[^>]{0,200}?encoding)\s*=\s*[\"']?\s*([-\w.:]+)", re.IGNORECASE
)
_legacy = """
    cp1252 cp1250 cp1251 cp1253 cp1254 cp1255 cp1256 cp1257 cp1258 iso8859_2 iso8859_5 iso8859_7 koi8_r koi8_u cp437
    cp850 cp866 mac_roman mac_cyrillic cp932 euc_jp iso2022_jp gb18030 big5 cp949 johab tis_620
""".split()  # noqa: SIM905


def decode(data: bytes, media_type: str = "text/plain") -> tuple[str, str]:
    """The text of some bytes and the encoding it was in; only a byte order mark is dropped, line ends stay.

    In turn: a byte order mark, Python's coding cookie, UTF-16 without a mark, UTF-8, what an HTML or XML file declares,
    charset-normalizer's guess from a bounded sample. What does not fit to the end is decoded with U+FFFD in place of
    the damage, and the encoding is then named "utf-8, damaged" or the like. Never raises.
    """
    for mark, encoding in _boms:
        if data.startswith(mark):
            return _lenient(data[len(mark) :], encoding)
    if media_type == "text/x-python" and (cookie := _cookie.match(data[:1024])):
        fitting = _strict(data, cookie[1].decode("ascii"))
        if fitting:
            return fitting
    if b"\0" in data and (encoding := unicode_of(data[:SAMPLE]) or ""):
        return _lenient(data, encoding)
    try:
        return data.decode("utf-8"), "utf-8"
    except UnicodeDecodeError as error:
        return _foreign(data, error.start, media_type)


def unicode_of(head: bytes) -> str | None:
    """The UTF-16 or UTF-32 that some first bytes are in, by their mark or by where their NULs stand, or None."""
    for mark, encoding in _boms[1:]:
        if head.startswith(mark):
            return encoding
    pairs = len(head) // 2
    low, high = head[0 : 2 * pairs : 2].count(0), head[1 : 2 * pairs : 2].count(0)
    if high > 0.4 * pairs and low < 0.05 * pairs:
        return "utf-16-le"
    if low > 0.4 * pairs and high < 0.05 * pairs:
        return "utf-16-be"
    return None


def sound(text: str) -> str:
    """The text with surrogate pairs joined and lone surrogates replaced, so that every store and tokenizer takes it."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _foreign(data: bytes, first: int, media_type: str) -> tuple[str, str]:
    """Bytes that are not UTF-8 from offset `first` on: declared, or UTF-8 with damage, or an older encoding."""
    if media_type in ("text/html", "application/xml") and (declared := _declared.search(data[:2048])):
        name = declared[1].decode("ascii").lower()
        fitting = _strict(data, "cp1252" if name in ("iso-8859-1", "latin1", "ascii", "us-ascii") else name)
        if fitting:
            return fitting
    start = data.rfind(b"\n", max(0, first - SAMPLE // 4), first) + 1 or max(0, first - SAMPLE // 4)
    sample = data[start : start + SAMPLE]
    return _damaged_utf8(data, sample) or _guessed(data, sample) or _lenient(data, "utf-8")


def _damaged_utf8(data: bytes, sample: bytes) -> tuple[str, str] | None:
    """UTF-8 with a few broken places: other encodings hardly ever form a whole multi-byte character by chance."""
    text = sample.decode("utf-8", "replace")
    damage = text.count("\ufffd")
    whole = sum(map(len, re.findall(r"[^\x00-\x7f\ufffd]+", text)))
    return _lenient(data, "utf-8") if whole > 3 * damage else None


def _guessed(data: bytes, sample: bytes) -> tuple[str, str] | None:
    from charset_normalizer import from_bytes

    matches = from_bytes(sample, cp_isolation=_legacy, enable_fallback=False)
    best = matches.best()
    if best is None:
        return None
    for match in matches:  # in a short text several fit alike, and the commonest is the likeliest
        if match.encoding == "cp1252" and (match.chaos, match.coherence) == (best.chaos, best.coherence):
            best = match
    return _lenient(data, best.encoding)


def _strict(data: bytes, encoding: str) -> tuple[str, str] | None:
    if "escape" in encoding:  # codecs that read escapes as what they stand for, instead of as text
        return None
    try:
        return data.decode(encoding), encoding
    except (LookupError, ValueError):  # ValueError: the undecodable, and names that no codec could have
        return None


def _lenient(data: bytes, encoding: str) -> tuple[str, str]:
    return _strict(data, encoding) or (data.decode(encoding, "replace"), f"{encoding}, damaged")
