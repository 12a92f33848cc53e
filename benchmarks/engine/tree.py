"""The prefix tree on a real trace: what it hits within a bounded memory, and what it costs; against a table of blocks.

    python -m benchmarks.engine.tree --data DIR/traces [--requests 10000]

The trace is Mooncake's conversations, whose prompts are ids of 512-token blocks; an id stands for its tokens here. The
floor and the ceiling are a table of blocks by hash, as vLLM keeps one, with LRU: at 512 tokens a block it is what the
trace knows, without bound the most that anybody can hit. Then requests of a thousand tokens that begin alike, made
here, with tree and table in turns. No tensors: slots alone. Writes results/engine/tree.md and .json.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.machine import RESULTS, as_markdown, setting
from chunkwise.engine.kv.arena import Slots
from chunkwise.engine.kv.policy import Policy, lru, value
from chunkwise.engine.kv.tree import Tree

Tokens = npt.NDArray[np.int32]
Serve = Callable[[Tokens], int]

BLOCK = 512
SHARES = [1, 2, 4, 8, 16, 32]  # of what holding everything takes, one part in so many


def trace(path: Path) -> list[Tokens]:
    """The prompts, each block as the 512 tokens that its id stands for."""
    within = np.arange(BLOCK, dtype=np.int32)
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        blocks = [np.array(json.loads(line)["blocks"], np.int32) for line in lines]
    return [np.add.outer(ids * BLOCK, within, dtype=np.int32).reshape(-1) for ids in blocks]


def made(requests: int, seed: int = 0) -> list[Tokens]:
    """Prompts of 1,024 tokens: one of 40 instructions, one of 400 documents below it, and a question of its own."""
    rng = np.random.default_rng(seed)
    texts = rng.integers(0, 32_000, (440, 448), dtype=np.int32)
    instruction = np.minimum(rng.zipf(1.2, requests), 40) - 1
    document = np.minimum(rng.zipf(1.1, requests), 400) + 39
    own = rng.integers(0, 32_000, (requests, 128), dtype=np.int32)
    return [*np.concatenate([texts[instruction], texts[document], own], axis=1)]


def by_tree(total: int, policy: Policy) -> Serve:
    """Serves a prompt, held on to while it is computed; gives how many of its tokens were there."""
    tree = Tree(Slots(total), policy)

    def serve(tokens: Tokens) -> int:
        node, length = tree.match(tokens)
        tree.pin(node)
        tree.make_room(len(tokens) - length)
        extents = tree.slots.allocate(len(tokens) - length)
        tree.insert(node, tokens[length:], extents)
        tree.release(node)
        return length

    return serve


def by_table(total: int, block: int) -> Serve:
    """The same with whole blocks, each under the hash of its tokens and of the block before it; LRU, tails first."""
    table: OrderedDict[bytes, None] = OrderedDict()

    def serve(tokens: Tokens) -> int:
        keys = [*chained(tokens, block)]
        hit = next((at for at, key in enumerate(keys) if key not in table), len(keys))
        for key in reversed(keys):
            table[key] = None
            table.move_to_end(key)
        while len(table) * block > total:
            table.popitem(last=False)
        return hit * block

    return serve


def chained(tokens: Tokens, block: int) -> Iterator[bytes]:
    """The key of each whole block."""
    key = b""
    for at in range(0, len(tokens) - block + 1, block):
        key = hashlib.sha256(key + tokens[at : at + block].tobytes()).digest()
        yield key


def run(ways: dict[str, Serve], prompts: list[Tokens]) -> list[dict[str, Any]]:
    """Every prompt by each way in turn, so that all have the same of a busy machine."""
    hits, seconds = dict.fromkeys(ways, 0), dict.fromkeys(ways, 0.0)
    for prompt in prompts:
        for name, serve in ways.items():
            begun = time.process_time_ns()
            hits[name] += serve(prompt)
            seconds[name] += (time.process_time_ns() - begun) / 1e9
    tokens = sum(len(prompt) for prompt in prompts)
    each = {name: (hits[name] / tokens, seconds[name] / len(prompts) * 1e6, tokens / seconds[name]) for name in ways}
    return [{"way": name, "hit": hit, "us": us, "rate": rate} for name, (hit, us, rate) in each.items()]


def ways(total: int, block: int) -> dict[str, Serve]:
    """The tree by either policy, and the table at the trace's blocks or at vLLM's."""
    return {
        "tree, lru": by_tree(total, lru),
        "tree, value": by_tree(total, value()),
        f"table, {block} a block": by_table(total, block),
    }


def main() -> None:
    """Measure, print the page, and write the two files."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, required=True, help="the folder of the traces")
    options.add_argument("--requests", type=int, default=10_000)
    chosen = options.parse_args()
    prompts = trace(chosen.data / "mooncake_conversation_first_half.jsonl.gz")
    distinct = len({int(first) for tokens in prompts for first in tokens[::BLOCK]}) * BLOCK
    page: dict[str, Any] = {
        "trace": {"requests": len(prompts), "tokens": sum(map(len, prompts)), "distinct": distinct},
        "bounded": [{"part": part, **row} for part in SHARES for row in run(ways(distinct // part, BLOCK), prompts)],
        "made": run(ways(400_000, 16), made(chosen.requests)),
        "run": setting("chunkwise", "numpy"),
    }
    page["requests"] = chosen.requests
    folder = RESULTS / "engine"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "tree.json").write_text(json.dumps(page, indent=1) + "\n", encoding="utf-8")
    (folder / "tree.md").write_text(as_page(page), encoding="utf-8")
    print(as_page(page))


def as_page(page: dict[str, Any]) -> str:
    """The two tables."""
    of = page["trace"]
    mean = of["tokens"] / of["requests"]
    most = next(row["hit"] for row in page["bounded"] if row["part"] == 1 and row["way"].startswith("table"))
    lines = [
        "# The prefix tree: hits and their price",
        "",
        f"Mooncake's conversations, {of['requests']:,} prompts of {mean:,.0f} tokens on average; all of them take",
        f"{of['distinct'] / 1e6:,.1f} million slots, each token once. *Hit*: the share of prompt tokens whose keys",
        f"and values were held; nobody can hit more than {most:.3f}. Time is the process's own, for match, room and",
        "insertion together, all ways in turns on each prompt; no tensors. The table is one of whole blocks by hash,",
        "written for this page. On this trace, by value hits less than by last use unless memory is very short.",
        "",
        "| memory for | tree, lru | tree, value | table, lru | µs a prompt: tree, lru | table | tree's tokens/s |",
        "|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for part in SHARES:
        use, worth, table = (row for row in page["bounded"] if row["part"] == part)
        cells = ["all" if part == 1 else f"1/{part}", *(f"{row['hit']:.3f}" for row in (use, worth, table))]
        cells += [f"{use['us']:.0f}", f"{table['us']:.0f}", f"{use['rate'] / 1e6:.0f} M"]
        lines.append(f"| {' | '.join(cells)} |")
    lines += [
        "",
        f"{page['requests']:,} made prompts of 1,024 tokens that begin alike, memory for 400,000 tokens, the table at",
        "16 tokens a block as vLLM keeps it.",
        "",
        "| way | hit | µs a prompt | tokens/s | of the table's time |",
        "|---|---:|---:|---:|---:|",
    ]
    slow = page["made"][-1]["us"]
    for row in page["made"]:
        cells = [
            row["way"],
            f"{row['hit']:.3f}",
            f"{row['us']:.0f}",
            f"{row['rate'] / 1e6:.1f} M",
            f"{row['us'] / slow:.2f}",
        ]
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join([*lines, "", as_markdown(page["run"]), ""])


if __name__ == "__main__":
    main()
