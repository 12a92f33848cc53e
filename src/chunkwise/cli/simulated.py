"""A simulation as a person reads it: a row for each scheduler, and how long requests and tokens waited."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chunkwise.cli import show
from chunkwise.cli.tables import Column, show_tables
from chunkwise.errors import UserError

if TYPE_CHECKING:
    from chunkwise.engine.schedule import Scheduler
    from chunkwise.engine.simulate import Job, Run, Slo
    from chunkwise.engine.simulate.measures import Measures

DEFAULT = "fcfs,sarathi-serve"
Runs = Mapping[str, "list[Run]"]


def schedulers(text: str) -> dict[str, Scheduler]:
    """The schedulers of a list of specs; UserError for a recipe that is none."""
    from chunkwise.engine.schedule import Scheduler
    from chunkwise.recipe import build, recipes, specs

    made: dict[str, Scheduler] = {}
    for spec in specs(text):
        built = build(spec, "serve-schedule")
        if not isinstance(built, Scheduler):
            known = [one.name for one in recipes("serve-schedule") if one.build.__module__.split(".")[-2] == "schedule"]
            raise UserError(f"{spec} is no scheduler: simulate takes {', '.join(known)}")
        made[spec] = built
    if not made:
        raise UserError(f"no scheduler is named: --recipes {DEFAULT}")
    return made


def simulated(jobs: Sequence[Job], runs: Runs, slo: Slo, told: str) -> None:
    """The table of all schedulers, and what was refused."""
    from rich.text import Text

    rows = {name: _measured(own, slo) for name, own in runs.items()}
    show.out(f"{show.count(len(jobs), 'request')} · {told}\n")
    best = max((row.attained for row in rows.values()), default=0.0)
    columns: list[Column] = []
    for head, cell in _columns(slo, any(row.hits for row in rows.values()), any(row.loads for row in rows.values())):
        marked = head.startswith("kept") and len(rows) > 1
        cells = [Text(cell(row), "bold green" if marked and row.attained == best else "") for row in rows.values()]
        columns.append((head, [*cells]))
    show_tables("scheduler", list(rows), columns)
    for name, row in rows.items():
        if row.refused:
            show.note(
                f"warning: {name}: {show.count(row.refused, 'request')} can never fit into the memory of one engine, "
                "with its prompt and the longest output, and was not served"
            )


def _columns(slo: Slo, cached: bool, experts: bool) -> list[tuple[str, Callable[[Measures], str]]]:
    made: list[tuple[str, Callable[[Measures], str]]] = [
        ("first token\np50", lambda row: seconds(row.ttft_p50)),
        ("\np99", lambda row: seconds(row.ttft_p99)),
        ("between tokens\np50", lambda row: seconds(row.tbt_p50)),
        ("\np99", lambda row: seconds(row.tbt_p99)),
        ("\nworst", lambda row: seconds(row.wait)),
        ("tokens/s\n", lambda row: f"{row.throughput:,.0f}"),
        (f"kept {seconds(slo.ttft)}\n+ {seconds(slo.tbt)}", lambda row: f"{100 * row.attained:.1f} %"),
        ("memory\npeak", lambda row: f"{100 * row.memory:.0f} %"),
        ("pre-\nempted", lambda row: f"{row.preempted:,}"),
        ("busy\n", lambda row: f"{100 * row.busy:.0f} %"),
    ]
    if cached:
        made.append(("cache\nhits", lambda row: f"{100 * row.hits:.0f} %"))
    if experts:
        made.append(("experts\nloaded", lambda row: f"{row.loads:,.0f}"))
    return made


def _measured(runs: Sequence[Run], slo: Slo) -> Measures:
    from chunkwise.engine.simulate import measure

    return measure(runs, slo)


def json_report(jobs: Sequence[Job], runs: Runs, slo: Slo, setting: Mapping[str, Any]) -> dict[str, Any]:
    """The simulation as `chunkwise simulate --json` shows it; times in seconds."""
    return {
        "requests": len(jobs),
        **setting,
        "slo": {"ttft": slo.ttft, "tbt": slo.tbt},
        "schedulers": [{"recipe": name, **_measured(own, slo).row()} for name, own in runs.items()],
    }


def write_plot(runs: Runs, slo: Slo, title: str, path: Path) -> None:
    """How long first tokens, and all others, let wait."""
    import numpy as np

    from chunkwise.engine.simulate.measures import between
    from chunkwise.evaluate.shares import Panel, draw_shares

    least = 1e-6  # seconds; a log scale has no 0
    firsts, gaps = [], []
    for own in runs.values():
        waits = np.sort([max(least, job.first - job.arrival) for run in own for job in run.jobs])
        firsts.append((waits, np.ones(len(waits))))
        found = between(own)
        gaps.append((found[:, 0].clip(least), found[:, 1]))
    panels = [
        Panel("seconds to the first token", tuple(firsts), slo.ttft),
        Panel("seconds between tokens", tuple(gaps), slo.tbt),
    ]
    draw_shares(panels, list(runs), "Waiting for tokens (simulated)", title, path)


def seconds(value: float) -> str:
    """`42 ms`, `3.1 s`, `12 min`."""
    if value < 1:
        return f"{1000 * value:.0f} ms"
    return f"{value:.1f} s" if value < 100 else f"{value:.0f} s" if value < 600 else f"{value / 60:.0f} min"
