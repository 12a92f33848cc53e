"""The tables: ours beside the best peer setting of each budget, then every row."""

from __future__ import annotations

from typing import Any

from .rows import DEFAULT
from .scoring import Scores, difference

Table = dict[str, dict[str, dict[int, Scores]]]  # view, row, budget

INTRODUCTION = """\
# Quality: evidence kept under a hard token budget

Recall, precision and IoU in characters of the packed text against the gold spans, in percent, as in
chunking_evaluation but with ranges merged, so that a character counts once. Every row answers the same questions in the
same run. Budgets are hard and in cl100k_base tokens, counted by tiktoken over the packed passages' text for all alike.
Peers' chunks are taken in the order of their scores, and one that does not fit is skipped. *Best peer* is the best of
all peer settings, chosen anew for each set and budget with the gold in hand, which no user could do. Differences are
ours minus that one, with the 95 % interval of a paired bootstrap over questions.
"""


def summary(table: Table, ours: set[str]) -> dict[str, dict[int, dict[str, Any]]]:
    """Per view and budget: the best peer setting, its recall, and the difference to our default where it was run."""
    found: dict[str, dict[int, dict[str, Any]]] = {}
    for view, rows in table.items():
        peers = {name: scores for name, scores in rows.items() if name not in ours}
        budgets = next(iter(rows.values())).keys()
        found[view] = {}
        for budget in budgets if peers else ():
            name = max(peers, key=lambda peer: float(peers[peer][budget].recall.mean()))
            line: dict[str, Any] = {"best_peer": name, "recall": peers[name][budget].means()["recall"]}
            if DEFAULT in rows:
                mean, low, high = difference(rows[DEFAULT][budget], peers[name][budget])
                line |= {"difference": round(mean, 2), "low": round(low, 2), "high": round(high, 2)}
            found[view][budget] = line
    return found


def as_json(table: Table, ours: set[str], abouts: dict[str, str], setting: dict[str, str]) -> dict[str, Any]:
    """Everything that was seen, means only."""
    views = {
        view: {
            "questions": len(next(iter(next(iter(rows.values())).values())).recall),
            "rows": {name: {str(budget): s.means() for budget, s in by.items()} for name, by in rows.items()},
            "best": summary({view: rows}, ours)[view],
        }
        for view, rows in table.items()
    }
    return {"setting": setting, "sets": abouts, "views": views}


def as_markdown(seen: dict[str, Any], ours: set[str], footer: str) -> str:
    """The same for a reader: recall per view, then every row with all its numbers."""
    parts = [INTRODUCTION, "![Recall against tokens](quality.svg)\n"]
    parts += [f"- {name}: {about}" for name, about in seen["sets"].items()]
    parts.append("")
    for view, content in seen["views"].items():
        budgets = list(next(iter(content["rows"].values())))
        parts.append(f"## {view}, {content['questions']} questions\n")
        parts += [_line("recall at tokens", budgets), _line("---", ["---:"] * len(budgets))]
        for name, by in content["rows"].items():
            if name in ours:
                label = f"**{name}**" if name == DEFAULT else name
                parts.append(_line(label, [f"{by[budget]['recall']:.1f}" for budget in budgets]))
        best = content["best"]
        if best:
            parts.append(_line("best peer, one for each budget", [f"{line['recall']:.1f}" for line in best.values()]))
            parts.append(_line("which", [line["best_peer"] for line in best.values()]))
        if any("difference" in line for line in best.values()):
            gaps = [f"{line['difference']:+.1f} [{line['low']:+.1f}, {line['high']:+.1f}]" for line in best.values()]
            parts.append(_line("difference [95 %]", gaps))
        parts.append("")
    parts.append("## Every row\n\nRecall / precision / IoU (mean tokens packed).\n")
    for view, content in seen["views"].items():
        budgets = list(next(iter(content["rows"].values())))
        parts += [
            f"<details><summary>{view}</summary>\n",
            _line("setting", budgets),
            _line("---", ["---:"] * len(budgets)),
        ]
        for name, by in content["rows"].items():
            cells = [
                f"{m['recall']:.1f} / {m['precision']:.1f} / {m['iou']:.1f} ({m['tokens']:.0f})"
                for m in (by[budget] for budget in budgets)
            ]
            parts.append(_line(name, cells))
        parts.append("\n</details>\n")
    return "\n".join([*parts, "## Setting\n", footer, ""])


def _line(label: str, cells: list[str]) -> str:
    return f"| {' | '.join([label, *cells])} |"
