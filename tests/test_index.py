"""The job of indexing: a folder is kept as it is, whatever the way there."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from threading import get_ident

import pytest

from chunkwise.errors import EndpointError, FallbackWarning, NoStore, UserError
from chunkwise.index import Index, Progress
from chunkwise.units import Document, content_id

FILES = {
    "guide.md": "# Guide\n\nRefunds take ten days. Ask the desk.\n\n## Returns\n\nSend it back in its box.\n",
    "code/run.py": 'def run(task):\n    """Run a task."""\n    return task()\n',
    "notes/é 漢.txt": "Ein Satz. 漢字です。 😀\r\nNoch einer.\r\n",
    "table.csv": "name,price\nash,3\noak,4\n",
    "empty.txt": "",
}


def plant(root: Path, files: dict[str, str] = FILES) -> Path:
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return root


def make(path: Path) -> Index:
    return Index.open(path, vectors="none")


def state(index: Index) -> list[tuple[str, int, int, str]]:
    """Every chunk: where it stands, and its id, which is that of the text there."""
    corpus, snapshot = index.corpus(), index.corpus().snapshot
    found = []
    for chunk, key in enumerate(snapshot.ids):
        assert key.tobytes().hex() == content_id(corpus.text(chunk))
        source = snapshot.sources[snapshot.document[chunk]]
        found.append((source, int(snapshot.start[chunk]), int(snapshot.end[chunk]), key.tobytes().hex()))
    return found


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    return plant(tmp_path / "docs")


def test_only_what_changed_is_read_again(docs: Path, tmp_path: Path) -> None:
    with make(tmp_path / "kb") as index:
        first = index.add(docs)
        assert (first.added, first.unchanged, first.removed) == (5, 0, 0)
        assert first.chunks == len(state(index)) == index.status()["chunks"]
        assert first.characters == sum(map(len, FILES.values()))
        assert first.seconds > 0
        assert (first.skipped, first.failed) == ([], [])
        again = index.add(docs)
        assert (again.added, again.unchanged, again.removed, again.chunks) == (0, 5, 0, 0)
        (docs / "guide.md").write_text("Refunds take five days.\n")
        (docs / "table.csv").unlink()
        (docs / "new.txt").write_text("Something new.")
        third = index.add(docs)
        assert (third.added, third.unchanged, third.removed) == (2, 3, 1)
        texts = [index.corpus().text(chunk) for chunk in range(len(index.corpus()))]
        assert any("five days" in text for text in texts)
        assert not any("ten days" in text or "ash" in text for text in texts)


def test_the_way_there_leaves_no_trace(docs: Path, tmp_path: Path) -> None:
    with make(tmp_path / "straight") as straight, make(tmp_path / "winding") as winding:
        straight.add(docs)
        winding.add(docs / "table.csv", docs / "code")
        (docs / "guide.md").write_text("Something else for now.\n")
        (docs / "more.txt").write_text("Soon gone.")
        winding.add(docs)
        (docs / "guide.md").write_bytes(FILES["guide.md"].encode())
        (docs / "more.txt").unlink()
        winding.add(docs)
        winding.forget(docs / "notes")
        winding.add(docs)
        assert state(winding) == state(straight)
        assert winding.status() == straight.status()


def test_touched_files_are_not_indexed_again(docs: Path, tmp_path: Path) -> None:
    old = 1_000_000_000_000_000_000
    for file in docs.rglob("*.*"):
        os.utime(file, ns=(old, old))
    with make(tmp_path / "kb") as index:
        index.add(docs)
        generation = index.corpus().snapshot.generation
        for file in docs.rglob("*.*"):
            os.utime(file, ns=(old + 1, old + 1))
        report = index.add(docs)
        assert (report.added, report.unchanged) == (0, 5)
        assert index.corpus().snapshot.generation == generation
        assert {kept.modified for kept in index._store.files().values()} == {old + 1}


def test_a_change_within_the_grain_of_time_stamps_is_seen(tmp_path: Path) -> None:
    docs = plant(tmp_path / "docs", {"a.txt": "one way. "})
    stamp = (docs / "a.txt").stat().st_mtime_ns
    with make(tmp_path / "kb") as index:
        index.add(docs)
        (docs / "a.txt").write_text("the other"[:9])
        os.utime(docs / "a.txt", ns=(stamp, stamp))
        assert index.add(docs).added == 1


def test_forgetting(docs: Path, tmp_path: Path) -> None:
    with make(tmp_path / "kb") as index:
        index.add(docs)
        assert index.forget(docs / "code") == 1
        assert index.forget(docs / "code", tmp_path / "nowhere") == 0
        assert index.forget(docs / "not" / ".." / "table.csv") == 1
        assert index.forget(str(docs)[:-1]) == 0  # a name that only begins alike
        assert index.forget(docs) == 3
        assert state(index) == []
        assert index.add(docs).added == 5


def test_a_file_has_one_source_however_it_is_reached(
    docs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with make(tmp_path / "kb") as index:
        index.add(docs)
        monkeypatch.chdir(docs / "code")
        for path in ("..", "../code/../", f"{docs}/code/..", "run.py"):
            assert index.add(path).added == 0
        assert index.status()["documents"] == 5


def test_excluding(docs: Path, tmp_path: Path) -> None:
    with make(tmp_path / "kb") as index:
        index.add(docs)
        report = index.add(docs, exclude=["*.py", "notes/"])
        assert (report.unchanged, report.removed) == (3, 2)


def test_only_what_lies_below_the_path_is_removed(docs: Path, tmp_path: Path) -> None:
    other = plant(tmp_path / "docs-other", {"a.txt": "Elsewhere."})
    with make(tmp_path / "kb") as index:
        index.add(docs, other)
        shutil.rmtree(docs / "code")
        assert index.add(docs / "notes").removed == 0
        assert index.add(docs).removed == 1
        assert index.status()["documents"] == 5


def test_names_that_are_not_utf8(tmp_path: Path) -> None:
    docs = plant(tmp_path / "docs")
    Path(os.fsdecode(os.fsencode(docs) + b"/caf\xe9.txt")).write_text("Coffee is served.")
    with make(tmp_path / "kb") as index:
        assert index.add(docs).added == 6
        again = index.add(docs)
        assert (again.added, again.unchanged, again.removed) == (0, 6, 0)
        assert index.pack("coffee").citations[0].endswith("caf\\xe9.txt:1")


def test_what_cannot_be_read_is_named(docs: Path, tmp_path: Path) -> None:
    (docs / "photo.jpg").write_bytes(b"\xff\xd8\0\0")
    (docs / "broken.pdf").write_bytes(b"%PDF-1.7\nnothing more")
    with make(tmp_path / "kb") as index:
        report = index.add(docs)
        assert report.added == 5
        assert [skipped.path.name for skipped in report.skipped] == ["photo.jpg"]
        assert [failed.path.name for failed in report.failed] == ["broken.pdf"]
        with pytest.raises(UserError, match="nowhere"):
            index.add(docs / "nowhere")
        assert index.status()["documents"] == 5


def test_an_empty_folder(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    with make(tmp_path / "kb") as index:
        report = index.add(tmp_path / "docs")
        assert (report.added, report.unchanged, report.removed, report.chunks) == (0, 0, 0, 0)
        assert index.status() == {"documents": 0, "chunks": 0, "tokens": 0, "bytes": 0}


def test_the_only_document_becomes_empty(tmp_path: Path) -> None:
    docs = plant(tmp_path / "docs", {"a.txt": "Something."})
    with make(tmp_path / "kb") as index:
        index.add(docs)
        (docs / "a.txt").write_text("")
        assert index.add(docs).added == 1
        assert state(index) == []


def test_the_knowledge_base_among_its_documents_is_not_read(docs: Path) -> None:
    with make(docs / "kb") as index:
        assert index.add(docs).added == 5
        assert index.add(docs).unchanged == 5


def test_progress(docs: Path, tmp_path: Path) -> None:
    told: list[Progress] = []
    with make(tmp_path / "kb") as index:
        index.add(docs, progress=told.append)
        index.add(docs, progress=told.append)
    assert [(progress.files, progress.of) for progress in told] == [(n, 5) for n in (1, 2, 3, 4, 5)] * 2
    assert told[9].chunks == 0


def test_stopped_in_the_middle(docs: Path, tmp_path: Path) -> None:
    def stop(progress: Progress) -> None:
        if progress.files == 3:
            raise KeyboardInterrupt

    with make(tmp_path / "kb") as index, make(tmp_path / "whole") as whole:
        with pytest.raises(KeyboardInterrupt):
            index.add(docs, progress=stop)
        assert 0 < index.status()["documents"] < 5
        assert index.add(docs).unchanged > 0
        whole.add(docs)
        assert state(index) == state(whole)


def test_documents_from_elsewhere(docs: Path, tmp_path: Path) -> None:
    with make(tmp_path / "kb") as index:
        index.add(docs)
        report = index.add_documents([Document.of("Parcels go by ship.", "https://example.org/a"), Document.of("")])
        assert (report.added, report.chunks) == (2, 1)
        index.add_documents([Document.of("Parcels go by air.", "https://example.org/a")])
        assert index.pack("parcels").passages[0].text == "Parcels go by air."
        assert index.add(docs).removed == 0
        assert index.forget("https://example.org/a") == 1


@pytest.mark.filterwarnings("ignore::chunkwise.errors.FallbackWarning")
def test_progress_moves_within_a_document_that_a_model_is_asked_about(tmp_path: Path) -> None:
    """One file, hundreds of questions, four of them at once: told of in order, from the thread that asked for it."""
    text = "".join(f"Paragraph {n} tells of the weather in that month of May.\n\n" for n in range(200))
    seen: list[Progress] = []
    threads = set[int]()

    def moved(at: Progress) -> None:
        seen.append(at)
        threads.add(get_ident())

    for spec in ("lumberchunker:size=60", "moc:window=60,size=60"):
        seen.clear()
        ask = {"ask": lambda: lambda prompt: "Answer: none"}
        with Index.open(tmp_path / spec[:3], vectors="none", segmenter=spec, supplies=ask) as index:
            index.add(plant(tmp_path / "one", {"long.txt": text}), progress=moved)
        within = [at for at in seen if not at.files]
        assert len(within) > 10
        assert [at.questions for at in within] == sorted(at.questions for at in within)
        assert seen[-1].files == seen[-1].of == 1
        assert seen[-1].questions >= within[-1].questions > 30
    assert threads == {get_ident()}


def test_one_warning_for_all_documents_that_a_model_left_unanswered(tmp_path: Path) -> None:
    def dead(prompt: str) -> str:
        raise EndpointError("nobody there")

    docs = [Document.of(f"One {n}.\n\nTwo {n}.\n\n" * 9, f"/{n}") for n in range(3)]
    with Index.open(tmp_path / "kb", vectors="none", segmenter="moc", supplies={"ask": lambda: dead}) as index:
        with pytest.warns(FallbackWarning) as caught:
            report = index.add_documents(docs, progress=(seen := list[Progress]()).append)
        (said,) = [str(one.message) for one in caught]
        assert said.startswith("moc on /0 and 2 more documents: nobody there; the rest was not asked for: ")
        assert report.unanswered == ["/0", "/1", "/2"]
        assert (seen[-1].files, seen[-1].of) == (3, 3)
        assert "".join(index.document(one).text for one in report.unanswered) == "".join(one.text for one in docs)


def test_settings_are_fixed_when_it_is_made(docs: Path, tmp_path: Path) -> None:
    make(tmp_path / "kb").close()
    with Index.open(tmp_path / "kb") as index:
        assert index.settings["vectors"] == "none"
        assert index.path == tmp_path / "kb"
    for wrong in ({"vectors": "lazy"}, {"tokenizer": "cl100k_base"}, {"segmenter": "recursive"}, {"embedder": "other"}):
        with pytest.raises(UserError, match="was made with"):
            Index.open(tmp_path / "kb", **wrong)  # type: ignore[arg-type]
    Index.open(tmp_path / "kb", vectors="none", tokenizer="o200k_base").close()


@pytest.mark.parametrize("wrong", [{"vectors": "some"}, {"tokenizer": "nothing"}, {"segmenter": "nothing"}])
def test_wrong_settings_make_nothing(tmp_path: Path, wrong: dict[str, str]) -> None:
    with pytest.raises(UserError):
        Index.open(tmp_path / "kb", **{"vectors": "none", **wrong})  # type: ignore[arg-type]
    assert not (tmp_path / "kb").exists()


def test_vectors_of_another_version_are_refused_in_two_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Index.open(tmp_path / "kb", vectors="static").close()

    class Newer:
        name = "static-newer"

    monkeypatch.setattr("chunkwise.index._scan", lambda settings, given: Newer())
    with Index.open(tmp_path / "kb") as index, pytest.raises(NoStore) as refused:
        index.pack("anything")
    said = str(refused.value)
    assert "static-newer" in said
    assert "index the documents again" in said
    assert said.count("\n") == 1


def test_nothing_to_open(tmp_path: Path) -> None:
    with pytest.raises(NoStore, match="chunkwise index"):
        Index.open(tmp_path / "kb", create=False)
    assert not (tmp_path / "kb").exists()
