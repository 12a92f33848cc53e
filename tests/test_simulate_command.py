"""`chunkwise simulate`: a table, JSON and a picture of what schedulers make of the same requests."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from chunkwise.cli.run import run
from chunkwise.evaluate.plot import installed

DRAWN = ("simulate", "--rate", "6", "--limit", "40", "--prompt", "600", "--output", "40")


@pytest.mark.parametrize(("columns", "tables"), [(200, 1), (80, 2)])
def test_a_table(
    columns: int, tables: int, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    assert run([*DRAWN, "--recipes", "fcfs,sarathi-serve:budget=256"]) == 0
    out = capsys.readouterr().out
    assert "40 requests · 6 a second · llama-3-8b on 1 x a100" in out
    rows = [line.split() for line in out.splitlines() if line.startswith(("fcfs", "sarathi-serve:budget=256"))]
    assert len(rows) == 2 * tables
    assert "…" not in out, "a narrow terminal hides nothing"
    assert "cache" not in out


def test_json_of_a_trace(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace, costs = tmp_path / "trace.jsonl", tmp_path / "costs.json"
    rows = [{"t": n / 4, "input_tokens": 1100, "output_tokens": 9, "blocks": [1, n]} for n in range(20)]
    trace.write_text("\n".join(map(json.dumps, [*rows, {"t": 9, "input_tokens": 9000, "output_tokens": 2}])))
    costs.write_text(json.dumps({"fitted": {"base": 0.01, "token": 1e-5}, "slots": 6000}))
    arguments = ("simulate", trace, "--recipes", "batchllm", "--hardware", costs, "--engines", "2", "--json")
    assert run([str(one) for one in arguments]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["requests"], found["trace"], found["slots"], found["engines"]) == (21, "trace.jsonl", 6000, 2)
    (row,) = found["schedulers"]
    assert (row["recipe"], row["requests"], row["refused"]) == ("batchllm", 20, 1)
    assert row["hits"] == pytest.approx(19 * 512 / (20 * 1100), rel=0.1)
    assert run([str(one) for one in arguments[:-1]]) == 0
    shown = capsys.readouterr()
    assert "1 request can never fit" in shown.err
    assert "cache" in shown.out


@pytest.mark.skipif(not installed(), reason="matplotlib is not there")
def test_a_picture(tmp_path: Path) -> None:
    picture = tmp_path / "waits.svg"
    assert run([*DRAWN, "--hardware", "h100", "--model", "qwen3-30b-a3b", "--plot", str(picture)]) == 0
    drawn = picture.read_text()
    assert "seconds between tokens" in drawn
    assert "sarathi-serve" in drawn


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "a trace or --rate"),
        (("--rate", "-1"), "cannot draw"),
        (("--rate", "1", "--recipes", "sarath"), "sarathi"),
        (("--rate", "1", "--recipes", "tokenweave"), "no scheduler: simulate takes batchllm"),
        (("--rate", "1", "--recipes", ""), "no scheduler is named"),
        (("--rate", "1", "--recipes", "fcfs:budget=0"), "needs a budget"),
        (("--rate", "1", "--hardware", "abacus"), "no hardware 'abacus'"),
        (("--rate", "1", "--model", "gpt-9"), "no model 'gpt-9'"),
        (("--rate", "1", "--model", "llama-3-70b"), "raise --devices"),
        (("--rate", "1", "--engines", "0"), "engines"),
        (("--rate", "1", "--plot", "/nowhere/x.svg"), "cannot be written"),
        (("nowhere.jsonl",), "no trace at nowhere.jsonl"),
    ],
)
def test_what_cannot_be_simulated(arguments: tuple[str, ...], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["simulate", *arguments]) == 2
    assert says in capsys.readouterr().err
