"""The README's Python example runs as it stands, and the commands and files it names are there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").glob("*.md")])
# Written by a benchmark, which need not have been run where the tests are.
RESULTS = ROOT / "benchmarks" / "results"


def test_the_python_example_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    [example] = re.findall(r"^```python\n(.*?)^```$", README, re.DOTALL | re.MULTILINE)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "refunds.md").write_text(
        "# Refunds\n\nA refund is paid within five days. Ask for one by mail.\n\n# Orders\n\nOrders ship daily.\n"
    )
    monkeypatch.chdir(tmp_path)
    found: dict[str, object] = {}
    exec(compile(example, "README.md", "exec"), found)
    printed = capsys.readouterr().out
    assert "A refund is paid within five days." in printed
    assert "docs/refunds.md:" in printed
    assert "best gain per token" in printed


def test_the_example_of_a_flow_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = (ROOT / "docs" / "flows.md").read_text(encoding="utf-8")
    [example] = re.findall(r"^```python\n(.*?)^```$", page, re.DOTALL | re.MULTILINE)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "refunds.md").write_text("# Refunds\n\nA refund is paid within five days.\n")
    monkeypatch.chdir(tmp_path)
    found: dict[str, Any] = {}
    exec(compile(example, "flows.md", "exec"), found)
    assert "within five days" in found["pack"].text


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_pipeline_that_is_shown_can_be_read(page: Path, tmp_path: Path) -> None:
    """As `chunkwise.toml`, and as the retriever of a command."""
    from chunkwise.chosen import read
    from chunkwise.recipe import check

    text = page.read_text(encoding="utf-8")
    for number, block in enumerate(re.findall(r"^```toml\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)):
        file = tmp_path / f"{number}.toml"
        file.write_text(block)
        assert read(file)
    for spec in re.findall(r"--retriever \"([^\"]+)\"", text):
        check(spec, "retrieve")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    paths = [page.parent / target for target in targets if "://" not in target]
    missing = [path for path in paths if not path.exists() and RESULTS not in path.resolve().parents]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_options_exist(page: Path) -> None:
    """Every option of a `chunkwise COMMAND` line in a fenced block is one that the command has."""
    from typer.main import get_command

    from chunkwise.cli.commands import app

    commands = get_command(app).commands  # type: ignore[attr-defined]
    fenced = re.compile(r"^(`{3,})\w*\n(.*?)^\1$", re.DOTALL | re.MULTILINE)
    for _, block in fenced.findall(page.read_text(encoding="utf-8")):
        for name, rest in re.findall(r"^(?:\$ )?chunkwise (\w+)(.*)$", block, re.MULTILINE):
            assert name in commands
            known = {option for parameter in commands[name].params for option in parameter.opts} | {"--help"}
            typed = re.sub(r"\"[^\"]*\"|#\s.*", "", rest)
            assert set(re.findall(r"(?<=\s)--[\w-]+", typed)) <= known, (name, rest)
