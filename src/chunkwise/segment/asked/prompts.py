"""What the model is asked: the task first, then the text between two lines that the text cannot contain."""

from __future__ import annotations

from collections.abc import Sequence

from chunkwise.asking import MATERIAL, fenced

_SHIFT = """\
Below are consecutive paragraphs of one document, each after its number. Find the first paragraph, other than ID 1, at
which the content clearly turns to something else than the paragraphs before it are about.
Reply with one line: "Answer: ID n", or "Answer: none" if they are all about the same thing.
"""

_GRANULARITY = """\
Below is a part of a document that will be cut into chunks, each to be read on its own. How long should they be, so that
each holds one whole thought and no more? Dense text that changes its subject often wants short ones, a long argument or
story wants long ones.
{classes}
Reply with one line: "Answer: CLASS n".
"""

_CHUNKS = """\
Below is a part of a document. Cut it into chunks that can each be read on their own, about {words} words long, all of
it, in order. For each chunk write one line with its first words and its last words, copied letter by letter, eight or
so of each, and [MASK] for all between them:
first words of the chunk [MASK] last words of the chunk
Write nothing else.
"""

_PLAN = """\
You know the field of the document of which a part stands below, its paragraphs each after its number. Draw up its
outline as an expert would: {breadth}. For each item write one line with the number of the paragraph it begins with, its
heading, and its core content, which is what must be remembered of it in one or two full sentences:
number | heading | core content
The first item begins with paragraph 1. Write nothing else. This is draft {draft} of {drafts}.
"""

_SUMMARY = """\
Summarise the text below in at most {words} words. Keep names, numbers and findings; leave out what is said twice. Write
the summary alone.
"""

BREADTHS = (
    "an item for each subject that it treats",
    "few items, one for each of its main parts",
    "many items, one for each single point that it makes",
)


def shift(paragraphs: Sequence[str], again: bool = False) -> str:
    """Which paragraph is the first where the content shifts; again: the last reply could not be read."""
    urged = f'Reply with nothing but "Answer: ID n", n from 2 to {len(paragraphs)}.\n' if again else ""
    return f"{_SHIFT}{urged}{MATERIAL}{fenced(numbered(paragraphs))}"


def granularity(text: str, words: Sequence[int]) -> str:
    """Of which length class the chunks should be; words: the length of each."""
    classes = "\n".join(f"CLASS {number}: about {many} words" for number, many in enumerate(words, 1))
    return f"{_GRANULARITY.format(classes=classes)}{MATERIAL}{fenced(text)}"


def chunk_list(text: str, words: int) -> str:
    """The chunks of a text, each as its first and last words."""
    return f"{_CHUNKS.format(words=words)}{MATERIAL}{fenced(text)}"


def plan(paragraphs: Sequence[str], draft: int, drafts: int) -> str:
    """An outline with core content; each draft is asked for at another breadth, or all would be the same."""
    breadth = BREADTHS[draft % len(BREADTHS)]
    return f"{_PLAN.format(breadth=breadth, draft=draft + 1, drafts=drafts)}{MATERIAL}{fenced(numbered(paragraphs))}"


def summary(text: str, words: int) -> str:
    """A summary of at most so many words."""
    return f"{_SUMMARY.format(words=words)}{MATERIAL}{fenced(text)}"


def numbered(paragraphs: Sequence[str]) -> str:
    """Each paragraph after its number, from 1."""
    return "\n".join(f"ID {number}: {paragraph.strip()}" for number, paragraph in enumerate(paragraphs, 1))
