"""The compiled kernels beside torch and beside the speed of memory, at one thread and at two.

    python -m benchmarks.engine.kernels [--threads 1 2] [--repeats 9]

Shapes of a random Llama of 100 million parameters: 12 layers, width 768, 12 query and 4 key-value heads of 64. Each
case is done by every way in turn, in one process, with keys, values and weights that no cache holds. What counts is the
least CPU time of all turns, since others may use the machine; the least time by the clock stands beside it.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

from ..machine import RESULTS, as_markdown, setting

HEADS, KV_HEADS, DIM = 12, 4, 64
LAYERS = [(768, 1280), (768, 768), (768, 4096), (2048, 768)] * 12 + [(768, 32000)]  # depth, width
COLD = 128 << 20  # bytes that a case goes through at least

Ways = dict[str, Callable[[], object]]
Times = dict[str, dict[str, float]]


def main() -> None:
    """Measure at each number of threads in a process of its own, and write engine/kernels.{json,md}."""
    options = _options()
    if options.alone:
        print(json.dumps(_measured(options.alone, options.repeats)))
        return
    seen = {str(threads): _in_a_process(threads, options.repeats) for threads in options.threads}
    where = setting("chunkwise", "torch", "numpy")
    folder = RESULTS / "engine"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "kernels.json").write_text(json.dumps({"setting": where, "threads": seen}, indent=1) + "\n")
    (folder / "kernels.md").write_text(_markdown(seen) + "\n" + as_markdown(where) + "\n")
    print(_markdown(seen))


def _in_a_process(threads: int, repeats: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.engine.kernels", "--alone", str(threads), "--repeats", str(repeats)]
    limits = {"OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    ran = subprocess.run(command, env=os.environ | limits, check=True, capture_output=True, text=True)
    found: dict[str, Any] = json.loads(ran.stdout)
    return found


def _measured(threads: int, repeats: int) -> dict[str, Any]:
    import torch

    from chunkwise.engine.kernels import library

    if library() is None:
        raise SystemExit("no compiler here, or CHUNKWISE_COMPILED=0: there is nothing to measure")
    torch.set_num_threads(threads)
    with torch.inference_mode():
        return {
            "linear": {str(rows): _linear(rows, repeats) for rows in (1, 2, 4, 8, 16)},
            "decode": {
                f"{rows} x {context:,}": _decode(rows, context, repeats)
                for rows, context in ((1, 512), (1, 16384), (8, 512), (8, 4096), (8, 16384))
            },
            "shared": _shared(repeats),
            "chosen": _chosen(repeats),
        }


def _timed(ways: Ways, repeats: int) -> Times:
    """Least CPU and clock milliseconds of each way, all of them in turns."""
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in ways}
    for turn in range(repeats + 1):
        for name, way in ways.items():
            clock, cpu = time.perf_counter(), time.process_time()
            way()
            if turn:  # the first one warms up
                found[name].append((1e3 * (time.process_time() - cpu), 1e3 * (time.perf_counter() - clock)))
    return {name: {"cpu": min(c for c, _ in each), "clock": min(w for _, w in each)} for name, each in found.items()}


def _linear(rows: int, repeats: int) -> Times:
    import torch

    from chunkwise.engine.kernels import small_linear

    weights = [torch.randn(width, depth) / 50 for depth, width in LAYERS]
    x = {depth: torch.randn(rows, depth) for depth in (768, 2048)}
    ways: Ways = {
        "small_linear": lambda: [small_linear(x[each.shape[1]], each) for each in weights],
        "F.linear": lambda: [torch.nn.functional.linear(x[each.shape[1]], each) for each in weights],
        "read": lambda: [each.sum() for each in weights],
    }
    return _timed(ways, repeats)


def _decode(rows: int, context: int, repeats: int) -> Times:
    import torch

    from chunkwise.engine.attention import Part, Plan, attend

    size = 2 * 4 * rows * context * KV_HEADS * DIM
    layers = min(48, -(-COLD // size))
    caches = [torch.randn(2, KV_HEADS, rows * context, DIM) for _ in range(layers)]
    # The peers' caches are made as they would make them: a sequence's heads together.
    batched = [each.view(2, KV_HEADS, rows, context, DIM).transpose(1, 2).contiguous() for each in caches]
    q = torch.randn(rows, HEADS, DIM)
    plan = Plan([Part(slice(i, i + 1), slice(i * context, (i + 1) * context), True) for i in range(rows)])
    ways: Ways = {
        "compiled": lambda: [attend(q, k, v, plan) for k, v in caches],
        "without": _without_kernels(lambda: [attend(q, k, v, plan) for k, v in caches]),
        "torch, grouped": lambda: [_grouped(q, k, v) for k, v in batched],
        "torch, expanded": lambda: [_expanded(q, k, v) for k, v in batched],
        "read": lambda: [each.sum() for each in caches],
    }
    return _timed(ways, repeats)


def _grouped(q: Any, k: Any, v: Any) -> Any:
    """Plain products, the query heads of one key-value head together: k and v [rows, kv_heads, n, dim]."""
    asked = q.view(len(q), KV_HEADS, -1, DIM)
    return (asked @ k.transpose(-1, -2) * DIM**-0.5).softmax(-1) @ v


def _expanded(q: Any, k: Any, v: Any) -> Any:
    """As `transformers` does it: heads repeated, then scaled_dot_product_attention."""
    import torch

    k, v = (each.repeat_interleave(HEADS // KV_HEADS, 1) for each in (k, v))
    return torch.nn.functional.scaled_dot_product_attention(q[:, :, None], k, v)


def _shared(repeats: int, rows: int = 16, prefix: int = 8192, own: int = 128) -> dict[str, Any]:
    import torch

    from chunkwise.engine.attention import Part, Plan, attend

    cache = torch.randn(2, KV_HEADS, prefix + rows * own, DIM)
    keys, values = cache
    private = [slice(prefix + i * own, prefix + (i + 1) * own) for i in range(rows)]
    batched = torch.stack([torch.cat([cache[:, :, :prefix], cache[:, :, each]], 2) for each in private], 1)
    q = torch.randn(rows, HEADS, DIM)
    parts = [Part(slice(i, i + 1), slice(0, prefix)) for i in range(rows)]
    parts += [Part(slice(i, i + 1), each, True) for i, each in enumerate(private)]
    shared, apart = Plan(parts), Plan(parts, share=False)
    ways: Ways = {
        "compiled": lambda: attend(q, keys, values, shared),
        "without": _without_kernels(lambda: attend(q, keys, values, shared)),
        "compiled, not shared": lambda: attend(q, keys, values, apart),
        "torch, grouped": lambda: _grouped(q, *batched),
        "torch, expanded": lambda: _expanded(q, *batched),
    }
    return {
        **_timed(ways, repeats),
        "megabytes": {"shared": 4 * cache.numel() / 1e6, "apart": 4 * batched.numel() / 1e6},
    }


def _chosen(repeats: int, context: int = 32768, tokens: int = 2048, chunk: int = 64) -> Times:
    import torch

    from chunkwise.engine.attention import Part, Plan, attend, partial, subset

    caches = [torch.randn(2, KV_HEADS, context, DIM) for _ in range(2)]
    q = torch.randn(1, HEADS, DIM)
    single = torch.stack([torch.randperm(context)[:tokens].sort().values for _ in range(KV_HEADS)])[None].int()
    several = torch.stack([torch.randperm(context // chunk)[: tokens // chunk] for _ in range(KV_HEADS)])[None].int()
    index = single[0].long()[..., None].expand(-1, -1, DIM)
    plan = Plan([Part(slice(0, 1), slice(0, context), True)])

    def gathered(k: Any, v: Any) -> Any:
        return partial(q[..., None, :], k.gather(1, index)[None], v.gather(1, index)[None])

    ways: Ways = {
        "compiled, all": lambda: [attend(q, k, v, plan) for k, v in caches],
        "compiled, chunks": lambda: [subset(q, k, v, several, chunk) for k, v in caches],
        "compiled, single": lambda: [subset(q, k, v, single) for k, v in caches],
        "torch, gathered": lambda: [gathered(k, v) for k, v in caches],
        "torch, all": lambda: [_grouped(q, k[None], v[None]) for k, v in caches],
    }
    return _timed(ways, repeats)


def _without_kernels(way: Callable[[], object]) -> Callable[[], object]:
    def switched() -> object:
        os.environ["CHUNKWISE_COMPILED"] = "0"
        try:
            return way()
        finally:
            del os.environ["CHUNKWISE_COMPILED"]

    return switched


def _markdown(seen: dict[str, Any]) -> str:
    read = 4 * sum(depth * width for depth, width in LAYERS) / 1e6
    parts = ["# The compiled kernels\n", __doc__.partition("\n\n")[2].partition("\n\n")[2]]
    for threads, found in seen.items():
        parts.append(f"## {threads} thread{'s' if threads != '1' else ''}\n")
        floor = min(each["read"]["cpu"] for each in found["linear"].values())
        parts.append(f"All {len(LAYERS)} linear layers, {read:.0f} MB, read at {read / floor:.1f} GB a CPU second.\n")
        parts.append(_table("rows", found["linear"], "small_linear", ("F.linear", "read")))
        parts.append("Attention of one new token a sequence, sequences x context.\n")
        peers = ("without", "torch, grouped", "torch, expanded", "read")
        parts.append(_table("sequences", found["decode"], "compiled", peers))
        sizes = found["shared"]["megabytes"]
        parts.append(
            "16 sequences that share 8,192 tokens and have 128 of their own: keys and values "
            f"{sizes['shared']:.0f} MB, {sizes['apart']:.0f} MB where each has its own copy.\n"
        )
        peers = ("without", "compiled, not shared", "torch, grouped", "torch, expanded")
        parts.append(_table("", {"16 x 8,192 + 128": found["shared"]}, "compiled", peers))
        parts.append("One sequence of 32,768 that hears 2,048: 32 chunks of 64 a head, or as many single tokens.\n")
        peers = ("compiled, single", "compiled, all", "torch, gathered", "torch, all")
        parts.append(_table("", {"32,768": found["chosen"]}, "compiled, chunks", peers))
    return "\n".join(parts)


def _table(about: str, rows: dict[str, Times], ours: str, peers: tuple[str, ...]) -> str:
    """Ours in milliseconds of CPU and by the clock, then how many times as long each peer takes, in both."""
    lines = [f"| {about} | {ours}: CPU ms | clock ms | {' | '.join(f'{peer}: times CPU, clock' for peer in peers)} |"]
    lines.append("|---:" * (3 + len(peers)) + "|")
    for name, times in rows.items():
        mine = times[ours]
        ratios = [[times[peer][kind] / mine[kind] for kind in ("cpu", "clock")] for peer in peers]
        shown = " | ".join(f"{cpu:.2f}, {clock:.2f}" for cpu, clock in ratios)
        lines.append(f"| {name} | {mine['cpu']:.2f} | {mine['clock']:.2f} | {shown} |")
    return "\n".join(lines) + "\n"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engine.kernels", description=__doc__)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--alone", type=int, metavar="THREADS", help=argparse.SUPPRESS)
    return parser.parse_args()


if __name__ == "__main__":
    main()
