"""HTML as readable text, with the source line of every word."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from chunkwise.read import parse
from chunkwise.units import Document

PAGE = """<!DOCTYPE html>
<html><head><title>The
 Page</title><style>p { color: red }</style></head>
<body>
<nav><ul><li><a href="#one">One</a></li><li>Two</li></ul></nav>
<script>var one = "<h1>One</h1>";</script>
<!-- <p>Comment</p> -->
<h1 id="one">One<a class="headerlink" href="#one">¶</a></h1>
<p>Fish &amp; chips,
   <b>bold</b>ly&nbsp;said.<br>Next
line.</p>
<ul>
  <li>first</li>
  <li>second
    <ol start="3"><li>inner</li>
      <li><p>last</p><p>more</p></li></ol>
  tail</li>
</ul>
<table><thead><tr><th>Name</th><th>Price</th></tr></thead>
<tr><td><p>Tea</p></td>
    <td>2 &euro;</td></tr>
<tr><td> </td><td></td></tr>
</table>
<div>loose<div>deeper</div>words</div>
<pre class="language-python">

    def f():
        return "&lt;a&gt;"   # `tick`

</pre>
<dl><dt>term</dt><dd>meaning</dd></dl>
<p hidden>unseen</p>
<h2>Two</h2><img alt="a duck" src="d.png">
</body></html>
"""

TEXT = """# One

Fish & chips, boldly said.
Next line.

- first
- second
  3. inner
  4. last
    more
  tail

Name | Price
Tea | 2 €

loose

deeper

words

```python
    def f():
        return "<a>"   # `tick`
```

term
meaning

## Two

a duck"""


def page(source: str) -> Document:
    return parse(source.encode(), "a.html")


def line(document: Document, word: str) -> int:
    return document.lines.at(document.text.index(word))


def test_structure() -> None:
    document = page(PAGE)
    assert document.text == TEXT
    assert document.metadata == {"title": "The Page"}
    assert document.media_type == "text/html"


def test_lines_of_words() -> None:
    document = page(PAGE)
    source = PAGE.split("\n")
    words = "Fish boldly Next line. first second inner last more tail Price Tea loose deeper return term meaning Two"
    for word in words.split():
        found = line(document, word)
        assert word[:4] in source[found - 1], (word, found)
    assert line(document, "One") == 8  # not in the navigation, the script or the comment


def test_lines_with_carriage_returns_and_after_large_scripts() -> None:
    source = "<p>one</p>\r\n<script>" + "x\r\n" * 5000 + "</script>\r\n<p>two\r\nthree</p>"
    document = page(source)
    assert document.text == "one\n\ntwo three"
    assert (line(document, "one"), line(document, "two"), line(document, "three")) == (1, 5003, 5004)


def test_layout_tables_are_no_rows() -> None:
    document = page("<table><tr><td><h1>A</h1><p>one</p></td><td>two<table><tr><td>x<td>y</table></td></tr></table>z")
    assert document.text == "# A\n\none\n\ntwo\n\nx | y\n\nz"


def test_lists_and_tables_stand_apart() -> None:
    assert page("<ul><li>a<li>b</ul><ul><li>c</ul><table><tr><td>d</table><table><tr><td>e</table>").text == (
        "- a\n- b\n\n- c\n\nd\n\ne"
    )


def test_code_with_fences_and_blocks_inside() -> None:
    document = page("<pre><code>a\n```\nb</code></pre><pre><div>one</div><div>two</div>three<br>four</pre>")
    assert document.text == "````\na\n```\nb\n````\n\n```\none\ntwo\nthree\nfour\n```"
    assert page("<div class='highlight-c notranslate'><div><pre>int a;\n</pre></div></div>").text == "```c\nint a;\n```"


def test_fragments_and_broken_markup() -> None:
    assert page("just words").text == "just words"
    assert page("a < b and </b> c <p>d").text == "a < b and c\n\nd"
    assert page("<li>lone</li><tr><td>cell</ul></ol></pre>x").text.startswith("- lone")
    assert page("<!-- never closed <p>x").text == ""
    assert page("<script>never closed <p>x").text == ""
    assert page("<div>" * 3000 + "deep").text == "deep"


def test_elements() -> None:
    document = page(PAGE)
    found = [(at.kind, document.text[at.span.start : at.span.end]) for at in document.layout]
    assert [kind for kind, _ in found] == (
        ["heading", "text"]
        + ["list"] * 6
        + ["table"] * 2
        + ["text"] * 3
        + ["code"]
        + ["text"] * 2
        + ["heading", "text"]
    )
    assert ("table", "Tea | 2 €") in found
    assert "\n".join(text for _, text in found).split() == document.text.split()
    tops = [at.box[1] for at in document.layout if at.box]
    assert tops == sorted(set(tops))
    assert document.layout[4].box is not None
    assert document.layout[4].box[0] > 18.0  # an item of a list in a list
    assert parse(b"plain", "a.txt").layout == ()


@given(st.text(alphabet=st.sampled_from(list("ab <>/&;\n\"'=!-")), max_size=80))
def test_any_markup_reads(source: str) -> None:
    document = page(source)
    assert document.lines.starts[0] == 0
    assert list(document.lines.starts) == sorted(set(document.lines.starts))
    assert all(1 <= number <= source.count("\n") + 1 for number in document.lines.numbers)


tags = st.sampled_from("p div h2 ul li table tr td pre b nav script br dl dd".split())  # noqa: SIM905
parts = st.tuples(tags, st.booleans(), st.booleans())


@given(st.lists(parts, max_size=25))
def test_every_word_is_on_its_line(parts: list[tuple[str, bool, bool]]) -> None:
    pieces = [
        f"<{'/' if closing else ''}{tag}>{newline * chr(10)} w{at}x {newline * chr(10)}"
        for at, (tag, closing, newline) in enumerate(parts)
    ]
    source = "".join(pieces)
    document = page(source)
    for word in re.finditer(r"w\d+x", document.text):
        at = source.index(word[0])
        if not re.search(
            r"<table(?!.*</table>)", source[:at], re.DOTALL
        ):  # a table throws loose text out before itself
            assert document.lines.at(word.start()) == source.count("\n", 0, at) + 1
