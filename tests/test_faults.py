"""Bad input and faults: what is whole stays whole, what is broken is named, and the next run goes on."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from chunkwise.errors import NoStore, StoreError
from chunkwise.index import Index
from chunkwise.read import read
from chunkwise.units import content_id
from processes import run, start

Chunks = list[tuple[str, int, int, str]]


def make(path: Path) -> Index:
    return Index.open(path, vectors="none")


def chunks_of(index: Index) -> Chunks:
    """Every chunk of the index, after seeing that it is whole: the text that its span cuts out has its id."""
    corpus, snapshot = index.corpus(), index.corpus().snapshot
    found = []
    for chunk, key in enumerate(snapshot.ids):
        source = snapshot.sources[snapshot.document[chunk]]
        text = corpus.document(chunk).text
        start_, end = int(snapshot.start[chunk]), int(snapshot.end[chunk])
        assert content_id(text[start_:end]) == key.tobytes().hex()
        found.append((source, start_, end, key.tobytes().hex()))
    return found


def shelf(root: Path, files: int = 150) -> Path:
    """Made documents of a few sections each, the same every time."""
    words = [
        "kiln",
        "glaze",
        "clay",
        "potter",
        "fire",
        "ash",
        "oak",
        "elm",
        "refund",
        "parcel",
        "ship",
        "desk",
        "river",
        "bridge",
        "winter",
    ]
    made = random.Random(7)
    root.mkdir(parents=True)
    for number in range(files):
        lines = [f"# Note {number}", ""]
        for section in range(made.randrange(2, 9)):
            lines += [f"## Section {section}", "", " ".join(made.choices(words, k=40)).capitalize() + ".", ""]
        (root / f"note-{number:03}.md").write_text("\n".join(lines))
    return root


# Odd files

ODD = {
    "broken-utf8.txt": "Der Schlüssel liegt ".encode() + b"\xff\xfe\xc3(" + " unter der Brücke. ".encode() * 20,
    "nul.md": b"Before the gap." + bytes(3) + b"After the gap.\n",
    "crlf.txt": b"First line.\r\nSecond line.\rThird line.\r\n",
    "emoji.txt": "A family 👨‍👩‍👧‍👦 waves 👋🏽. Flags 🇫🇷🇩🇪 fly.".encode(),
    "rtl.txt": "שלום עולם. مرحبا بالعالم، كيف الحال؟".encode(),
    "cjk.txt": "吾輩は猫である。名前はまだ無い。我是一只猫。".encode(),
    "special.txt": b"<|endoftext|> said <|im_start|>system to </s> and [INST].",
    "utf16.txt": "Two bytes for each letter.".encode("utf-16"),
    "bom.txt": b"\xef\xbb\xbfA mark stands first.",
    "empty.txt": b"",
    "blank.txt": b" \n\t\n ",
    "lonely.txt": b"\xed\xa0\x80 a lone surrogate",
    "control.txt": bytes(range(1, 32)) + b" all the controls",
}
BROKEN = {"truncated.pdf", "encrypted.pdf", "control.txt"}


def pdf(pages: int = 1, password: str = "") -> bytes:
    import io

    from pypdf import PdfWriter

    writer, data = PdfWriter(), io.BytesIO()
    for _ in range(pages):
        writer.add_blank_page(200, 200)
    if password:
        writer.encrypt(password, algorithm="RC4-128")
    writer.write(data)
    return data.getvalue()


def test_odd_files(tmp_path: Path) -> None:
    """Each is indexed whole or named; none stops the others."""
    docs = tmp_path / "docs"
    docs.mkdir()
    for name, data in ODD.items():
        (docs / name).write_bytes(data)
    (docs / "truncated.pdf").write_bytes(pdf(3)[:200])
    (docs / "encrypted.pdf").write_bytes(pdf(password="secret"))
    with make(tmp_path / "kb") as index:
        report = index.add(docs)
        named = {path.path.name: path.reason for path in [*report.failed, *report.skipped]}
        assert set(named) == BROKEN
        assert "encrypted" in named["encrypted.pdf"] or "password" in named["encrypted.pdf"]
        assert report.added == len(ODD) + 2 - len(BROKEN)
        chunks_of(index)
        for name in set(ODD) - BROKEN:
            found = [chunk for chunk in chunks_of(index) if chunk[0].endswith(f"/{name}")]
            text = read(docs / name).text
            assert "".join(text[a:b] for _, a, b, _ in found) == text  # tiled, nothing lost
        for query, name in (("family waves", "emoji"), ("名前", "cjk"), ("שלום", "rtl"), ("endoftext", "special")):
            assert f"{name}.txt" in index.pack(query, 200).citations[0]
        assert index.add(docs).unchanged == report.added


def test_special_tokens_cost_what_their_letters_cost(tmp_path: Path) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/a.txt").write_text("<|endoftext|> " * 400)
    with make(tmp_path / "kb") as index:
        index.add(tmp_path / "docs")
        assert index.status()["tokens"] > 400 * 4
        assert index.pack("endoftext", 100).tokens <= 100


def test_one_huge_line(tmp_path: Path) -> None:
    """5 MB without a line end; 50 MB behaves alike (time and memory are linear) but is too slow to try each time."""
    code = """
import sys
from pathlib import Path
from chunkwise.index import Index
base = Path(sys.argv[1])
with Index.open(base / "kb", vectors="none") as index:
    report = index.add(base / "docs")
    assert (report.added, report.failed) == (1, []), report
    assert report.characters == 5_000_000
    pack = index.pack("the word in the middle is quokka", 400)
    assert any("quokka" in passage.text for passage in pack.passages)
    status = Path("/proc/self/status")  # ru_maxrss would count the process that forked this one
    lines = status.read_text().splitlines() if status.exists() else ["VmHWM: 0 kB"]
    print(next(line.split()[1] for line in lines if line.startswith("VmHWM")))
"""
    (tmp_path / "docs").mkdir()
    line = ("and on it goes, without an end in sight; " * 125_000)[:5_000_000]
    (tmp_path / "docs/line.txt").write_text(f"{line[:2_500_000]} quokka {line[2_500_008:]}")
    assert int(run(code, tmp_path)) < 700_000  # KiB


def test_a_file_that_changes_while_it_is_read(tmp_path: Path) -> None:
    """Written to without a pause, it is one of its states or named, never a mixture."""
    docs = tmp_path / "docs"
    docs.mkdir()
    (docs / "still.txt").write_text("This one stays.")
    moving = docs / "moving.txt"
    moving.write_text("a" * 400_000)
    writer = start(
        "import sys, itertools\n"
        "for letter in itertools.cycle('abc'):\n"
        "    with open(sys.argv[1], 'r+') as file: file.write(letter * 400_000)\n",
        moving,
    )
    try:
        with make(tmp_path / "kb") as index:
            for _ in range(10):
                report = index.add(docs)
                assert {failed.path.name for failed in report.failed} <= {"moving.txt"}
                chunks_of(index)
                assert index.pack("stays").passages[0].text == "This one stays."
                if str(moving) in index.corpus().snapshot.sources:
                    assert len(index._store.document(str(moving)).text) <= 400_000
    finally:
        writer.kill()
        writer.communicate()
    with make(tmp_path / "kb") as index:
        assert index.add(docs).failed == []


def test_links_in_circles(tmp_path: Path) -> None:
    docs = shelf(tmp_path / "docs", 3)
    (docs / "loop").symlink_to(docs)
    (docs / "self").symlink_to(docs / "self")
    (docs / "nowhere").symlink_to(docs / "gone")
    (docs / "again.md").symlink_to(docs / "note-001.md")
    with make(tmp_path / "kb") as index:
        report = index.add(docs)
        assert report.added == 3
        assert index.add(docs).unchanged == 3


def test_a_file_without_the_right_to_read_it(tmp_path: Path) -> None:
    docs = shelf(tmp_path / "docs", 3)
    (docs / "note-001.md").chmod(0)
    tmp_path.chmod(0o777)
    for folder in tmp_path.parents:
        if folder.stat().st_uid == os.geteuid() and any("pytest" in part for part in folder.parts):
            folder.chmod(folder.stat().st_mode | 0o055)
    was = os.geteuid()
    if not was:
        os.seteuid(65534)  # root reads everything
    try:
        with make(tmp_path / "kb") as index:
            report = index.add(docs)
            named = {one.path.name: one.reason for one in [*report.skipped, *report.failed]}
            assert "ermission denied" in named["note-001.md"]
            assert report.added == 2
    finally:
        os.seteuid(was)


# Folders that are no knowledge base


def test_missing_and_foreign_folders(tmp_path: Path) -> None:
    docs = shelf(tmp_path / "docs", 2)
    with pytest.raises(NoStore, match="does not exist"):
        Index.open(tmp_path / "kb", create=False)
    with pytest.raises(NoStore, match="not empty"):
        make(docs)
    with pytest.raises(NoStore):
        make(docs / "note-000.md")
    assert sorted(path.name for path in docs.iterdir()) == ["note-000.md", "note-001.md"]


def test_a_folder_that_vanishes_while_it_is_open(tmp_path: Path) -> None:
    import shutil

    docs = shelf(tmp_path / "docs", 2)
    with make(tmp_path / "kb") as index:
        shutil.rmtree(tmp_path / "kb")
        with pytest.raises(StoreError):
            index.add(docs)


# A full disk

INDEX = """
import sys
from chunkwise.errors import ChunkwiseError
from chunkwise.index import Index
try:
    with Index.open(sys.argv[1], vectors="none") as index:
        index.add(sys.argv[2])
except ChunkwiseError as error:
    print(type(error).__name__, error)
    sys.exit(error.exit_code)
"""


def goes_on_after(kb: Path, docs: Path, undisturbed: Chunks) -> None:
    """The store opens, says how much there is, shows whole chunks only, and the next run completes it."""
    if (kb / "chunkwise.sqlite3").exists():
        with Index.open(kb, create=False) as index:
            assert index.status()["chunks"] == len(chunks_of(index))
            assert set(chunks_of(index)) <= set(undisturbed)
    with make(kb) as index:
        index.add(docs)
        assert chunks_of(index) == undisturbed
    assert not [path.name for path in kb.iterdir() if path.name.startswith(".derived")]


@pytest.fixture(scope="module")
def docs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shelf(tmp_path_factory.mktemp("shelf") / "docs")


@pytest.fixture(scope="module")
def undisturbed(docs: Path, tmp_path_factory: pytest.TempPathFactory) -> Chunks:
    with make(tmp_path_factory.mktemp("undisturbed")) as index:
        index.add(docs)
        found = chunks_of(index)
    assert len(found) > 500
    return found


@pytest.mark.parametrize("limit", [4096, 20_000, 60_000, 200_000])
def test_files_that_may_not_grow(docs: Path, undisturbed: Chunks, tmp_path: Path, limit: int) -> None:
    """A disk that takes no more, as the process sees it: writing beyond `limit` bytes of a file fails."""
    kb = tmp_path / "kb"
    code = """
import resource, sys
from chunkwise.retrieve.language import language
language("Some words, for the model to be unpacked before. " * 2)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]),) * 2)
"""
    with start(code + INDEX, kb, docs, limit) as process:
        said, complained = process.communicate(timeout=60)
    assert complained == ""
    assert process.returncode == 1, said
    assert said.startswith("StoreError")
    assert str(kb) in said
    goes_on_after(kb, docs, undisturbed)


def test_a_full_temporary_folder(docs: Path, tmp_path: Path) -> None:
    """The language model is unpacked there: where it cannot be, that is said, and nothing is guessed without it."""
    code = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))\n" + INDEX
    with start(code, tmp_path / "kb", docs) as process:
        said, complained = process.communicate(timeout=60)
    assert (process.returncode, complained) == (1, "")
    assert "language model" in said


@contextmanager
def small_disk(path: Path, size: str) -> Iterator[None]:
    path.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", path], check=True)


def may_mount(path: Path) -> bool:
    try:
        with small_disk(path, "64k"):
            return True
    except (OSError, subprocess.CalledProcessError):
        return False


def test_a_full_disk(docs: Path, undisturbed: Chunks, tmp_path: Path) -> None:
    """A real one where this process may mount it; where not, `test_files_that_may_not_grow` stands for it."""
    if not may_mount(tmp_path / "probe"):
        pytest.skip("mounting a tmpfs is not allowed here; test_files_that_may_not_grow stands for it")
    with small_disk(tmp_path / "disk", "300k"):
        kb = tmp_path / "disk/kb"
        with start(INDEX, kb, docs) as process:
            said, complained = process.communicate(timeout=60)
        assert (process.returncode, complained) == (1, ""), (said, complained)
        assert "full" in said
        with Index.open(kb, create=False) as index:
            assert set(chunks_of(index)) <= set(undisturbed)
            index.pack("kiln glaze")
        subprocess.run(["mount", "-o", "remount,size=64m", tmp_path / "disk"], check=True)
        goes_on_after(kb, docs, undisturbed)


# Several at once, and killed ones


def test_two_runs_at_once(docs: Path, undisturbed: Chunks, tmp_path: Path) -> None:
    both = [start(INDEX, tmp_path / "kb", docs) for _ in range(2)]
    for process in both:
        said, complained = process.communicate(timeout=60)
        assert (process.returncode, said, complained) == (0, "", "")
    with make(tmp_path / "kb") as index:
        assert chunks_of(index) == undisturbed


def test_killed_at_random_moments(docs: Path, undisturbed: Chunks, tmp_path: Path) -> None:
    """SIGKILL twenty times: whatever was shown is whole, and the next run ends as an undisturbed one does.

    The runs are forks, ready at once, so that the moments fall into the work: into the making of the store, the writing
    of documents, and the deriving of the arrays.
    """

    def killed_after(seconds: float, kb: Path) -> bool:
        child = os.fork()
        if not child:
            try:
                with make(kb) as index:
                    index.add(docs)
            finally:
                os._exit(0)
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
        return os.WIFSIGNALED(os.waitpid(child, 0)[1])

    began = time.perf_counter()
    with make(tmp_path / "timed") as index:
        index.add(docs)
    whole = time.perf_counter() - began
    moments = random.Random(20)
    killed = partial = 0
    for attempt in range(20):
        kb = tmp_path / f"kb{attempt}"
        killed += killed_after(moments.uniform(0, whole), kb)
        if (kb / "chunkwise.sqlite3").exists():
            with Index.open(kb, create=False) as index:
                partial += 0 < index.status()["chunks"] < len(undisturbed)
        goes_on_after(kb, docs, undisturbed)
    assert killed >= 10
    assert partial >= 1
