"""A table that a narrow terminal hides nothing of: what is too wide for it stands below."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, TypeAlias

from chunkwise.cli import show

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

Column: TypeAlias = "tuple[str, list[Text | None]]"
"""A head, of one line or two, and a cell for each name; None where its row failed."""
FAILED = "failed, see below"


def show_tables(first: str, names: Sequence[str], columns: Sequence[Column]) -> None:
    """The columns beside the names, under the head `first`, on stdout."""
    console = show.console()
    for number, table in enumerate(tables(first, names, columns, console.width)):
        if number:
            show.out("")
        console.print(table)


def tables(first: str, names: Sequence[str], columns: Sequence[Column], width: int) -> Iterator[Table]:
    """One table, or several, each with the names, where `width` characters are too few for one."""
    from rich.table import Table
    from rich.text import Text

    named = min(max(map(len, (first, *names))), max(20, width // 3))
    left = list(columns)
    while left:
        table = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="dim", show_edge=False)
        table.add_column(first, width=named, overflow="fold")
        shown: list[list[Text | None]] = []
        room = width - named
        while left and ((wide := _wide(left[0])) <= room or not shown):
            head, cells = left.pop(0)
            table.add_column(head, justify="right", no_wrap=True)
            shown.append(cells)
            room -= wide
        for name, *line in zip(names, *shown, strict=True):
            failed = line[0] is None
            table.add_row(Text(name, "red" if failed else "cyan"), *([Text(FAILED, "red")] if failed else line))
        yield table


def _wide(column: Column) -> int:
    head, cells = column
    return 2 + max(*map(len, head.split("\n")), *(len(FAILED if cell is None else cell) for cell in cells))
