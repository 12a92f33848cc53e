"""Poison: planted passages that reach the pack, with and without a defence, and injections that are found.

    python -m benchmarks.poison --data DIR [--unseen DIR] [--questions 100] [--work DIR]

DIR holds `rag_attacks` and `nq_passages`. The five passages of PoisonedRAG for each of its questions are mixed into
nq_passages, as they are ("plain") and behind the question itself, as the attack has it ("asked"). --unseen: the folder
`benchmark` of microsoft/BIPIA, whose test attacks are of other kinds than those that the patterns were written after.

Questions are halved by the parity of their numbers, injections and contexts by that of their lines. What `guard` is set
to was chosen on the even half; every figure but the sweep is of the odd one. Writes
results/poison.{json,md,svg}; needs `pip install -e ".[evaluate]"`.
"""

from __future__ import annotations

import argparse
import ast
import gzip
import json
import re
import shutil
import sysconfig
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from chunkwise import Document, Index
from chunkwise.budget import Budget
from chunkwise.pack import Pack, pack
from chunkwise.prompt import injections
from chunkwise.recipe import build
from chunkwise.retrieve import Corpus, Retriever
from chunkwise.tokens import tokenizer
from chunkwise.units import Candidates

from .machine import RESULTS, as_markdown, setting

BUDGETS = (500, 1000, 1500)
SELECTORS = ("coverage", "guard", "top-k:k=20", "guard:of=top-k:k=20")
SWEPT = 1000  # tokens
SWEEP = [
    f"guard:alike={alike},crowd={crowd}"
    for alike, crowd in ((0.1, 2), (0.12, 2), (0.15, 1), (0.15, 2), (0.15, 3), (0.2, 2), (0.3, 2))
]
ATTACKS = ("none", "plain", "asked")
PLANTED = "planted"

Row = dict[str, Any]


@dataclass(frozen=True)
class Question:
    """number: whose parity is the half; gold: sources that hold the answer; poison: texts that push another."""

    number: int
    text: str
    gold: frozenset[str]
    poison: tuple[str, ...] = ()


def main() -> None:
    """Measure both defences and write the results."""
    options = _options()
    questions = _questions(options.data, options.questions)
    with tempfile.TemporaryDirectory() as folder:
        work = options.work or Path(folder)
        packs = [row for attack in ATTACKS for row in _packed(options.data, work, attack, questions)]
    seen: Row = {
        "setting": setting("chunkwise", "numpy", "torch"),
        "questions": {
            half: {"attacked": sum(bool(q.poison) for q in few), "all": len(few)}
            for half, few in (("even", questions[0]), ("odd", questions[1]))
        },
        "packs": packs,
        "injections": _injections(options.data, options.unseen),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "poison.json").write_text(json.dumps(seen, indent=1) + "\n")
    (RESULTS / "poison.md").write_text(_markdown(seen) + "\n" + as_markdown(seen["setting"]) + "\n")
    _plot(packs)
    print(_markdown(seen))


# Planted passages


def _questions(data: Path, others: int) -> tuple[list[Question], list[Question]]:
    """The attacked questions, and `others` of nq_passages, in halves of even and odd numbers."""
    asked = list(_rows(data / "nq_passages" / "questions.jsonl.gz"))
    gold = {_plain(row["question"]): frozenset(row["gold"]) for row in asked}
    found = [
        Question(_number(row["id"]), row["question"], gold.get(_plain(row["question"]), frozenset()),
                 tuple(row["poison_texts"]))
        for row in _rows(data / "rag_attacks" / "poisonedrag_nq.jsonl")
    ]  # fmt: skip
    attacked = {_plain(question.text) for question in found}
    left = [row for row in asked if _plain(row["question"]) not in attacked]
    step = max(1, len(left) // others) | 1  # odd, so that both halves come
    found += [Question(_number(row["id"]), row["question"], frozenset(row["gold"])) for row in left[::step][:others]]
    return [one for one in found if not one.number % 2], [one for one in found if one.number % 2]


def _packed(data: Path, work: Path, attack: str, questions: tuple[list[Question], list[Question]]) -> Iterator[Row]:
    """A row for each half, selector and budget."""
    counter = tokenizer()
    with _index(data, work, attack, [*questions[0], *questions[1]]) as index:
        corpus = index.corpus()
        for half, few in zip(("even", "odd"), questions, strict=True):
            asked = few if attack == "none" else [question for question in few if question.poison]
            seen: dict[tuple[str, int], list[Row]] = defaultdict(list)
            for question in asked:
                found = build("multiscale", "retrieve")(corpus, question.text, 400)
                for spec in (*SELECTORS, *(SWEEP if half == "even" else ())):
                    for budget in BUDGETS if spec in SELECTORS else (SWEPT,):
                        made = pack(
                            corpus, question.text, Budget(budget), counter, _given(found), build(spec, "select")
                        )
                        seen[spec, budget].append(_scored(made, corpus, question))
            for (spec, budget), rows in seen.items():
                yield {"attack": attack, "half": half, "selector": spec, "budget": budget, **_mean(rows)}


def _given(found: Candidates) -> Retriever:
    return lambda corpus, query, k: found


def _index(data: Path, work: Path, attack: str, questions: Sequence[Question]) -> Index:
    """The passages, with what is planted; the clean index is copied, and with it the vectors that were made."""
    path, clean = work / attack, work / "none"
    if not path.exists():
        if attack == "none":
            passages = [
                Document.of(row["text"], row["id"]) for row in _rows(data / "nq_passages" / "passages.jsonl.gz")
            ]
        else:
            shutil.copytree(clean, path)
            passages = [
                Document.of(f"{question.text.strip()}. {text}" if attack == "asked" else text,
                            f"{PLANTED}-{question.number}-{number}")
                for question in questions for number, text in enumerate(question.poison)
            ]  # fmt: skip
        with Index.open(path) as index:
            index.add_documents(passages)
    return Index.open(path, create=False)


def _scored(made: Pack, corpus: Corpus, question: Question) -> Row:
    """What of the planted and of the gold is in the pack; None for what the question has none of."""
    spent: dict[str, int] = defaultdict(int)
    held: dict[str, int] = defaultdict(int)
    for passage in made.passages:
        spent[passage.source] += passage.tokens
        held[passage.source] += len(passage.text)
    own = f"{PLANTED}-{question.number}-"
    planted = [source for source in spent if source.startswith(own)]
    share = sum(spent[source] for source in planted) / max(1, sum(spent.values()))
    whole = {source: len(corpus.store.document(source).text) for source in question.gold}
    return {
        "reached": len(planted) / len(question.poison) if question.poison else None,
        "share": share if question.poison else None,
        "majority": float(share > 0.5) if question.poison else None,
        "outnumbered": float(len(planted) > len(spent) / 2) if question.poison else None,
        "recall": sum(held[source] for source in whole) / sum(whole.values()) if whole else None,
        "kept": float(any(held[source] for source in whole)) if whole else None,
        "tokens": made.tokens,
    }


def _mean(rows: Sequence[Row]) -> Row:
    columns = {name: [row[name] for row in rows if row[name] is not None] for name in rows[0]}
    return {"questions": len(rows), **{name: round(fmean(some), 4) for name, some in columns.items() if some}}


# Injections


def _injections(data: Path, unseen: Path | None) -> Row:
    folder = data / "rag_attacks"
    contexts = {
        "email": [row["context"] for row in _rows(folder / "bipia_email.jsonl")],
        "table": [row["context"] for row in _rows(folder / "bipia_table.jsonl.gz")],
        "code": ["\n".join(row["context"]) for row in _rows(folder / "bipia_code.jsonl")],
    }
    orders = list(_rows(folder / "bipia_injections.jsonl"))
    found: Row = {}
    for half, start in (("even", 0), ("odd", 1)):
        own = {kind: texts[start::2] for kind, texts in contexts.items()}
        of_kind = {
            kind: [row["instruction"] for row in orders[start::2] if row["kind"] == kind] for kind in ("text", "code")
        }
        found[half] = _precision(own, of_kind)
    if unseen is not None:
        others = {kind: _flat(unseen / f"{kind}_attack_test.json") for kind in ("text", "code")}
        found["unseen attacks"] = _precision({kind: texts[1::2] for kind, texts in contexts.items()}, others)
    passages = [row["text"] for row in _rows(data / "nq_passages" / "passages.jsonl.gz")]
    found["clean"] = {
        "Wikipedia passages (nq_passages)": _flagged(passages[1::2]),
        "docstrings of the standard library": _flagged(list(_docstrings())[1::2]),
    }
    return found


def _precision(contexts: Mapping[str, Sequence[str]], orders: Mapping[str, Sequence[str]]) -> Row:
    """Each order at the beginning, in the middle and at the end of a context, against the contexts without any."""
    table: Row = {}
    for kind, texts in contexts.items():
        attacked = [
            _with(texts[(3 * number + place) % len(texts)], order, place)
            for number, order in enumerate(orders["code" if kind == "code" else "text"])
            for place in range(3)
        ]
        table[kind] = {"attacked": _flagged(attacked), "clean": _flagged(texts)}
    return table


def _with(context: str, order: str, place: int) -> str:
    lines = context.split("\n")
    at = (0, len(lines) // 2, len(lines))[place]
    return "\n".join([*lines[:at], order, *lines[at:]])


def _flagged(texts: Iterable[str]) -> Row:
    hits = [bool(injections(text)) for text in texts]
    return {"flagged": sum(hits), "of": len(hits)}


def _flat(path: Path) -> list[str]:
    return [order for orders in json.loads(path.read_text()).values() for order in orders]


def _docstrings() -> Iterator[str]:
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and (text := ast.get_docstring(node)):
                yield text


# The page


def _markdown(seen: Row) -> str:
    odd = seen["questions"]["odd"]
    parts = [
        "# Poison\n",
        f"PoisonedRAG in nq_passages, five planted passages to each question; {odd['attacked']} attacked questions of"
        f" the odd half, {odd['all']} questions on the clean index. `guard` was set on the even half."
        " They are few: one of them is 4 points of *majority*, 5 of *gold* under attack, 1.5 on the clean index.\n",
        "*reached*: share of a question's planted passages of which something is in the pack; *tokens*: planted share"
        " of the pack's tokens; *majority*: packs more than half of whose tokens are planted; *sources*: packs more"
        " than half of whose sources are; *gold*: packs that hold something of the gold passage; *recall*: share of its"
        " characters. All in %.\n",
    ]
    titles = {
        "plain": "Planted as they are",
        "asked": "Planted behind the question itself, as the attack has it",
        "none": "The cost: a clean index",
    }
    for attack, title in titles.items():
        names = {"reached": "reached", "share": "tokens", "majority": "majority", "outnumbered": "sources"}
        names = {} if attack == "none" else names
        names |= {"kept": "gold", "recall": "recall"}
        rows = [row for row in seen["packs"] if (row["attack"], row["half"]) == (attack, "odd")]
        parts += [f"## {title}\n", _table(rows, names)]
    sweep = [
        row for row in seen["packs"] if row["half"] == "even" and row["budget"] == SWEPT and row["selector"] in SWEEP
    ]
    merged = []
    for spec in SWEEP:
        of = {row["attack"]: row for row in sweep if row["selector"] == spec}
        merged.append({
            "selector": spec, "budget": SWEPT, "plain": of["plain"]["reached"], "asked": of["asked"]["reached"],
            "gold": of["asked"]["kept"], "clean": of["none"]["kept"], "recall": of["none"]["recall"],
        })  # fmt: skip
    columns = {
        "plain": "reached, plain", "asked": "reached, asked", "gold": "gold, asked", "clean": "gold, clean",
        "recall": "recall, clean",
    }  # fmt: skip
    parts += ["## The sweep, even half\n", _table(merged, columns), "## Injections found by patterns\n"]
    parts += [
        "Each BIPIA injection stands at the beginning, in the middle and at the end of a context. The list of"
        " injections was read whole before the patterns were written, so its odd half is not unseen; BIPIA's test"
        " attacks, of other kinds, were not looked at, but for how many are found. Docstrings and"
        " passages were looked at for false alarms.\n",
        "| half | contexts | found of attacked | recall | flagged of clean | precision at one to one |",
        "| --- | --- | ---: | ---: | ---: | ---: |",
    ]
    for half, kinds in seen["injections"].items():
        for kind, row in kinds.items() if half != "clean" else ():
            hit, clean = row["attacked"], row["clean"]
            recall, wrong = hit["flagged"] / hit["of"], clean["flagged"] / clean["of"]
            parts.append(
                f"| {half} | {kind} | {hit['flagged']} of {hit['of']} | {recall:.1%}"
                f" | {clean['flagged']} of {clean['of']} | {recall / max(recall + wrong, 1e-9):.1%} |"
            )
    parts += ["\nTexts that nobody attacked, odd half:\n", "| texts | flagged |", "| --- | ---: |"]
    parts += [f"| {name} | {row['flagged']} of {row['of']} |" for name, row in seen["injections"]["clean"].items()]
    return "\n".join([*parts, ""])


def _table(rows: Sequence[Row], names: Mapping[str, str]) -> str:
    lines = [f"| selector | budget | {' | '.join(names.values())} |", f"| --- | ---: |{' ---: |' * len(names)}"]
    for row in rows:
        cells = " | ".join(f"{100 * row[name]:.1f}" if name in row else "" for name in names)
        lines.append(f"| {row['selector']} | {row['budget']} | {cells} |")
    return "\n".join([*lines, ""])


def _plot(packs: Sequence[Row]) -> None:
    """Planted share of the pack's tokens, by budget, and what the clean index still gives."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    plt.rcParams |= {"svg.hashsalt": "chunkwise", "axes.spines.top": False, "axes.spines.right": False}
    figure, panels = plt.subplots(1, 3, figsize=(9.6, 3.0), sharey=True, layout="constrained")
    shown = (("plain", "share", "planted share of the pack"), ("asked", "share", "the same, behind the question"),
             ("none", "kept", "gold in the pack, clean index"))  # fmt: skip
    colours = {"coverage": "#0072B2", "top-k": "#E69F00"}
    for panel, (attack, measure, title) in zip(panels, shown, strict=True):
        for spec in SELECTORS:
            rows = [row for row in packs if (row["attack"], row["half"], row["selector"]) == (attack, "odd", spec)]
            inner = (spec.partition("of=")[2] or spec.replace("guard", "coverage")).partition(":")[0]
            style = "--o" if spec.startswith("guard") else "-s"
            values = [100 * row[measure] for row in rows]
            panel.plot([row["budget"] for row in rows], values, style, color=colours[inner], label=spec, markersize=4)
        panel.set(title=title, xlabel="tokens", xticks=BUDGETS, ylim=(0, 102))
        panel.title.set_fontsize(10)
    panels[0].set_ylabel("%")
    panels[0].legend(fontsize=7, frameon=False, loc="upper right")
    figure.savefig(RESULTS / "poison.svg", metadata={"Date": None})


def _rows(path: Path) -> Iterator[Row]:
    with gzip.open(path, "rt") if path.suffix == ".gz" else path.open() as lines:
        yield from map(json.loads, lines)


def _plain(question: str) -> str:
    return re.sub(r"[\W_]", "", question.lower())


def _number(name: str) -> int:
    return int(re.sub(r"\D", "", name))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.poison", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--unseen", type=Path, help="the folder `benchmark` of a checkout of microsoft/BIPIA")
    parser.add_argument("--questions", type=int, default=100, help="questions without an attack, on the clean index")
    parser.add_argument("--work", type=Path, help="keep the indexes here")
    return parser.parse_args()


if __name__ == "__main__":
    main()
