"""The sweeps behind docs/findings-chunking.md: `chunkwise compare` on known sets, one after the other.

    python -m benchmarks.findings --data DIR [--work DIR] [--only NAME ...]

DIR holds the sets that the sweeps name. What is in the work folder already is not measured again, and a run of some
sweeps leaves the sections of the others as they were. Writes results/findings.md, for each sweep
results/findings/NAME.csv and .svg, and the tables of docs/findings-chunking.md, between `<!-- NAME -->` and
`<!-- /NAME -->`. Needs `pip install -e ".[evaluate]"`.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from itertools import groupby
from pathlib import Path
from typing import Any

from .machine import RESULTS, as_markdown, setting

ALL = (
    "fixed:size=200,recursive:size=200,sentence,cast:size=200,late:size=200,semantic:size=200,"
    "semantic-clusters:size=200,sage-segment:size=200,s2-chunking:size=200,vision-guided-chunking:size=200,"
    "h-net:size=200,context-gain:size=200,meta-chunking:size=200,bytespan:size=200"
)
SWEEPS = {
    "all-cuts": ["--set", "chroma_chunking", "--embedder", "none", "--retrievers", "bm25",
                 "--budgets", "250,500,1000,2000", "--recipes", ALL],
    "rethinking-chunk-size": ["--set", "chroma_chunking", "--preset", "rethinking-chunk-size", "--embedder", "static"],
    "rethinking-chunk-size-minilm": ["--set", "chroma_chunking", "--limit", "93", "--preset", "rethinking-chunk-size",
                                     "--embedder", "minilm"],
    "semantic-chunking-worth": ["--set", "chroma_chunking", "--limit", "93", "--preset", "semantic-chunking-worth"],
    "chunk-twice-embed-once": ["--set", "covid_qa", "--limit", "150", "--preset", "chunk-twice-embed-once",
                               "--embedder", "static"],
    "rag-hyperparameters": ["--set", "covid_qa", "--limit", "60", "--preset", "rag-hyperparameters"],
    "domain-rag-metrics": ["--set", "chroma_chunking", "--preset", "domain-rag-metrics"],
    "reconstructing-context": ["--set", "squad_xquad_en", "--limit", "200", "--preset", "reconstructing-context",
                               "--budgets", "100,200,400"],
}  # fmt: skip


HEAD = """\
# Findings on chunking

Recall, precision and IoU in characters of the packed chunks against the gold spans, in percent, ± half of the 95 %
bootstrap interval over questions. Precision, IoU and tokens are of the middle budget.

"""
DOC = RESULTS.parents[1] / "docs" / "findings-chunking.md"


def swept(name: str, data: Path, work: Path) -> dict[str, Any]:
    """What `chunkwise compare` prints of one sweep as JSON; its table and plot are written beside the results."""
    folder = RESULTS / "findings"
    folder.mkdir(parents=True, exist_ok=True)
    written = ["--csv", str(folder / f"{name}.csv"), "--plot", str(folder / f"{name}.svg"), "--json"]
    command = [sys.executable, "-m", "chunkwise", "compare", "--data", str(data), "--work", str(work), *SWEEPS[name]]
    done = subprocess.run([*command, *written], stdout=subprocess.PIPE, check=True, text=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def section(name: str, found: dict[str, Any]) -> list[str]:
    """A sweep as Markdown: its command, recall by budget, cost, what was seen apart, and what is noise."""
    budgets = sorted({cell["budget"] for cell in found["cells"]})
    lines = [f"## {name}", "", f"`chunkwise compare {' '.join(SWEEPS[name])}`", ""]
    lines += [
        f"{found['set']['questions']} questions on {found['set']['documents']} documents of {found['set']['name']}.",
        "",
    ]
    heads = [f"@{budget:,}" for budget in budgets]
    names = ["cut", "searched by", "vectors", *heads, "precision", "IoU", "tokens", "chunks", "index s", "question ms"]
    lines += [f"| {' | '.join(names)} |", "| --- | --- | --- |" + " ---: |" * (len(names) - 3)]
    for (segment, retrieve, select, embed), group in groupby(found["cells"], _pipeline):
        cells = {cell["budget"]: cell for cell in group}
        middle = cells[sorted(cells)[(len(cells) - 1) // 2]]
        row = [f"`{segment}`", retrieve if select == "coverage" else f"{retrieve}, {select}", embed]
        row += [_recall(cells[budget]) for budget in budgets]
        row += [f"{100 * middle['precision']:.1f}", f"{100 * middle['iou']:.1f}", f"{middle['tokens']:.0f}"]
        row += [f"{middle['chunks']:,}", f"{middle['index_seconds']:.1f}", f"{middle['question_ms']:.0f}"]
        lines.append(f"| {' | '.join(row)} |")
    for (kind, questions), rows in groupby(found["apart"], lambda row: (row["group"], row["questions"])):
        lines += ["", f"Recall %, {kind} ({questions} questions):", ""]
        lines += [f"| pipeline | {' | '.join(heads)} |", "| --- |" + " ---: |" * len(heads)]
        for pipeline, apart in groupby(rows, lambda row: row["pipeline"]):
            lines.append(f"| `{pipeline}` | {' | '.join(format(100 * row['recall'], '.1f') for row in apart)} |")
    lines += [
        "",
        *(f"- {sentence}" for sentence in found["verdict"]),
        "",
        f"![Recall against tokens](findings/{name}.svg)",
        "",
    ]
    return lines


def brief(found: dict[str, Any]) -> str:
    """A sweep as a table of recall by budget, with the mean tokens of a chunk and the seconds of the index."""
    budgets = sorted({cell["budget"] for cell in found["cells"]})
    shared = [len({_pipeline(cell)[axis] for cell in found["cells"]}) == 1 for axis in range(4)]
    heads = [*(f"@{budget:,}" for budget in budgets), "tokens a chunk", "index, s"]
    if len(budgets) == 1:
        heads += ["precision", "IoU"]
    lines = [f"| | {' | '.join(heads)} |", "| --- |" + " ---: |" * len(heads)]
    for pipeline, group in groupby(found["cells"], _pipeline):
        cells = list(group)
        name = " / ".join(part for part, same in zip(pipeline, shared, strict=True) if not same)
        row = [f"{100 * cell['recall']:.1f}" for cell in sorted(cells, key=lambda cell: int(cell["budget"]))]
        row += [f"{cells[0]['chunk_tokens']:.0f}", f"{cells[0]['index_seconds']:.1f}"]
        if len(budgets) == 1:
            row += [f"{100 * cells[0]['precision']:.1f}", f"{100 * cells[0]['iou']:.1f}"]
        lines.append(f"| `{name}` | {' | '.join(row)} |")
    return "\n".join(lines)


def fill(text: str, name: str, table: str) -> str:
    """The text with the table of that name anew; as it is where it has no place for it."""
    begin, end = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, found, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    return f"{before}{begin}\n{table}\n{end}{after}" if found and closed else text


def sections(page: str) -> dict[str, str]:
    """The sections of results/findings.md by the name of their sweep, each with what it was measured on.

    One that does not say so was measured with the one after it that does.
    """
    found: dict[str, str] = {}
    where = ""
    for part in reversed(page.split("\n## ")[1:]):
        body, dated, rest = part.rstrip().partition("\n- date:")
        where = f"- date:{rest}" if dated else where
        found[part.partition("\n")[0]] = f"## {body.rstrip()}\n\n{where}\n"
    return found


def _pipeline(cell: dict[str, Any]) -> tuple[str, str, str, str]:
    return cell["segment"], cell["retrieve"], cell["select"], cell["embed"]


def _recall(cell: dict[str, Any]) -> str:
    return f"{100 * cell['recall']:.1f} ±{50 * (cell['recall_high'] - cell['recall_low']):.1f}"


def main() -> None:
    """Run the sweeps and write what they found."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--work", type=Path, default=Path(".chunkwise-compare"))
    options.add_argument("--only", nargs="+", choices=SWEEPS, default=list(SWEEPS))
    chosen = options.parse_args()
    page = RESULTS / "findings.md"
    before = sections(page.read_text(encoding="utf-8")) if page.exists() else {}
    text = DOC.read_text(encoding="utf-8")
    for name in chosen.only:
        found = swept(name, chosen.data, chosen.work)
        before[name] = "\n".join([*section(name, found), as_markdown(setting("chunkwise", "numpy")), ""])
        text = fill(text, name, brief(found))
    DOC.write_text(text, encoding="utf-8")
    page.write_text(HEAD + "".join(f"{before[name]}\n" for name in SWEEPS if name in before), encoding="utf-8")


if __name__ == "__main__":
    main()
