"""The embedded store: always what a plain dictionary would hold, whatever happens to its files."""

from __future__ import annotations

import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

import planted
from chunkwise.errors import NoStore, StaleError, StoreError, UserError
from chunkwise.retrieve import words
from chunkwise.retrieve.words import term_hash
from chunkwise.store import Entry, FileState, Snapshot, SQLiteStore
from chunkwise.store.sqlite import DERIVED, FILE, VERSION
from chunkwise.units import Chunk, Document, LineMap, Span, content_id, place_id
from processes import run

SPACE = planted.Trigrams(70)
sources = st.sampled_from(["/a.md", "/b.md", "/c/d.py", "/é 漢.txt"])
chunk_lists = st.lists(st.sampled_from(["ash elm. ", "oak oak ", "fir\n", "漢字 😀", "\ud800 birch", " "]), max_size=5)


def check(snapshot: Snapshot, model: dict[str, list[str]], with_vectors: bool) -> None:
    """A snapshot is the model's documents in order of their sources."""
    order = sorted(model)
    texts = [(source, chunk) for source in order for chunk in model[source]]
    assert snapshot.sources == tuple(order)
    assert [key.tobytes().hex() for key in snapshot.contents] == [content_id("".join(model[s])) for s in order]
    assert [snapshot.sources[number] for number in snapshot.document] == [source for source, _ in texts]
    assert [key.tobytes().hex() for key in snapshot.ids] == [content_id(chunk) for _, chunk in texts]
    for number, source in enumerate(order):
        inside = np.flatnonzero(snapshot.document == number)
        joined = "".join(model[source])
        assert [joined[snapshot.start[at] : snapshot.end[at]] for at in inside] == model[source]
    assert len(snapshot) == len(texts) == len(snapshot.postings.place)
    for word in ("ash", "elm", "oak", "fir", "birch"):
        places, counts = snapshot.postings.of_term(term_hash(words("en").terms(word)[0]))
        found = dict(zip(places.tolist(), counts.tolist(), strict=True))
        expected = [chunk.count(word) for _, chunk in texts]
        assert [found.get(place, 0) for place in snapshot.postings.place.tolist()] == expected
    if texts and with_vectors:
        assert snapshot.matrix is not None
        assert snapshot.bits is not None
        np.testing.assert_array_equal(snapshot.matrix, SPACE([chunk for _, chunk in texts]).astype(np.float16))
        assert snapshot.bits.shape == (len(texts), 2)
    else:
        assert snapshot.matrix is None


class Machine(RuleBasedStateMachine):
    """Documents come, change and go; derived files are lost, damaged and left behind; the store is opened again."""

    @initialize(with_vectors=st.booleans())
    def begin(self, with_vectors: bool) -> None:
        self.path = Path(tempfile.mkdtemp())
        self.space = SPACE if with_vectors else None
        self.store = SQLiteStore(self.path / "kb", {"space": SPACE.name if with_vectors else ""})
        self.model: dict[str, list[str]] = {}
        self.kept = b""

    @rule(documents=st.dictionaries(sources, chunk_lists, max_size=3))
    def put(self, documents: dict[str, list[str]]) -> None:
        self.store.put(planted.entry(source, chunks, self.space) for source, chunks in documents.items())
        self.model |= documents

    @rule(gone=st.lists(sources, max_size=2, unique=True))
    def remove(self, gone: list[str]) -> None:
        assert self.store.remove(gone) == len([source for source in gone if self.model.pop(source, None) is not None])

    @rule(documents=st.dictionaries(sources, chunk_lists, min_size=1, max_size=3))
    def fail_in_the_middle(self, documents: dict[str, list[str]]) -> None:
        def entries() -> Iterator[Entry]:
            for source, chunks in documents.items():
                yield planted.entry(source, chunks, self.space)
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            self.store.put(entries())

    @rule()
    def open_again(self) -> None:
        self.store.close()
        self.store = SQLiteStore(self.path / "kb")

    @rule()
    def keep_derived(self) -> None:
        derived = self.path / "kb" / DERIVED
        self.kept = derived.read_bytes() if derived.exists() else b""

    @rule()
    def bring_back_derived(self) -> None:
        (self.path / "kb" / DERIVED).write_bytes(self.kept)
        self.open_again()

    @rule()
    def lose_derived(self) -> None:
        (self.path / "kb" / DERIVED).unlink(missing_ok=True)
        self.open_again()

    @rule(share=st.floats(0, 0.99))
    def cut_derived(self, share: float) -> None:
        derived = self.path / "kb" / DERIVED
        if derived.exists():
            data = derived.read_bytes()
            derived.unlink()  # written anew, since the maps of a living store keep the old file
            derived.write_bytes(data[: int(share * len(data))])
        self.open_again()

    @invariant()
    def the_snapshot_is_the_model(self) -> None:
        check(self.store.snapshot(), self.model, self.space is not None)
        files = self.store.files()
        assert {source: state.content for source, state in files.items()} == {
            source: content_id("".join(chunks)) for source, chunks in self.model.items()
        }
        counts = self.store.counts()
        assert counts["documents"] == len(self.model)
        assert counts["chunks"] == sum(map(len, self.model.values()))

    def teardown(self) -> None:
        self.store.close()
        shutil.rmtree(self.path)


TestStoreIsADictionary = Machine.TestCase
TestStoreIsADictionary.settings = settings(deadline=None, max_examples=25, stateful_step_count=10)


@pytest.fixture
def kb(tmp_path: Path) -> Iterator[SQLiteStore]:
    with closing(planted.store(tmp_path / "kb", {"/a": ["ash. ", "elm. "], "/b": ["oak. "]}, SPACE)) as made:
        yield made


def test_documents_come_back_as_they_were(tmp_path: Path) -> None:
    text = "one\r\ntwo\ud800\0😀"
    lines = LineMap((0, 5), (1, 4), "page")
    document = Document(content_id(text), text, "/odd", "application/pdf", {"title": "\ud800 \x1f"}, lines)
    path = ("a\x1fb", "\udfff", "")
    chunk = Chunk(content_id(text), document.id, Span(0, len(text)), text, 3, "text", path)
    state = FileState(document.id, 10, 2**62, 2**62 + 1)
    with closing(SQLiteStore(tmp_path / "kb", {})) as store:
        store.put([Entry(document, [chunk], words("").count([text]), "", state)])
        assert store.document("/odd") == document
        assert store.headings("/odd", 0) == path
        assert store.headings("/odd", 1) == store.headings("/none", 0) == ()
        assert store.files() == {"/odd": state}
        touched = FileState(document.id, 11, 5, 6)
        generation = store.snapshot().generation
        store.touch({"/odd": touched, "/none": touched})
        assert store.files() == {"/odd": touched}
        assert store.snapshot().generation == generation


def test_a_document_that_is_gone(kb: SQLiteStore) -> None:
    kb.remove(["/a"])
    with pytest.raises(StaleError, match="ask again"):
        kb.document("/a")


def test_vectors_are_kept_by_content(kb: SQLiteStore) -> None:
    ids = np.array([number.to_bytes(16, "big") for number in range(1200)], dtype="V16")
    made = np.arange(1200 * 3, dtype=np.float32).reshape(1200, 3) / 4096
    kb.put_vectors("space", ids[::2], made[::2])
    found, vectors = kb.vectors("space", ids)
    assert found.tolist() == list(range(0, 1200, 2))
    np.testing.assert_array_equal(vectors, made[::2].astype(np.float16))
    assert vectors.dtype == np.float32
    for nothing in (kb.vectors("another", ids), kb.vectors("space", ids[1::2]), kb.vectors("space", ids[:0])):
        assert len(nothing[0]) == len(nothing[1]) == 0
    kb.put_vectors("space", ids[:1], made[1:2])
    assert kb.vectors("space", ids[:1])[1].tolist() == made[1:2].astype(np.float16).tolist()
    assert kb.vectors("space", ids[[2, 0, 2]])[0].tolist() == [0, 1, 2]


def test_forgotten_chunks_take_their_vectors_along(kb: SQLiteStore) -> None:
    kb.put([planted.entry("/c", ["oak. ", "fir. "], SPACE)])
    kb.remove(["/b"])
    assert kb.counts()[f"vectors {SPACE.name}"] == 4  # "oak. " still stands in /c
    kb.remove(["/c", "/a"])
    assert f"vectors {SPACE.name}" not in kb.counts()


def test_notes_are_kept_by_kind_and_go_with_what_they_are_about(kb: SQLiteStore) -> None:
    kb.put([planted.entry("/c", ["oak. ", "fir. "])])
    ids = np.unique(kb.snapshot().ids)
    kb.put_notes("context", ids[:2], ["one \ud83d", "two"])
    kb.put_notes("questions", ids[:1], ["three"])
    assert kb.notes("context", ids) == {0: "one ?", 1: "two"}
    assert kb.notes("questions", ids[1:]) == {}
    kb.put_notes("context", ids[:1], ["four"])
    assert kb.notes("context", ids[[1, 0]]) == {0: "two", 1: "four"}
    kb.remove(["/a", "/b", "/c"])
    assert kb.notes("context", ids) == {}


def test_a_store_from_before_there_were_notes_is_read_on(tmp_path: Path) -> None:
    with closing(SQLiteStore(tmp_path / "kb", {})) as old:
        old._db.execute("DROP TABLE notes")
    with closing(SQLiteStore(tmp_path / "kb")) as store:
        assert store.notes("context", np.zeros(3, "V16")) == {}


def test_vectors_made_in_a_document_belong_to_their_places(tmp_path: Path) -> None:
    """The same text in two documents has two vectors; each goes with its own document."""
    with closing(SQLiteStore(tmp_path / "kb", {"space": "here", "vectors_of": "place"})) as store:
        for source, sign in (("/a", 1), ("/b", -1)):
            made = planted.entry(source, [f"{source} ", "it is. "])
            vectors = sign * np.eye(2, 3, dtype=np.float32)
            store.put([replace(made, vectors=vectors)])
        matrix = store.snapshot().matrix
        assert matrix is not None
        assert matrix.tolist() == [[1, 0, 0], [0, 1, 0], [-1, 0, 0], [0, -1, 0]]
        store.remove(["/a"])
        assert store.counts()["vectors here"] == 2
        left = store.snapshot().matrix
        assert left is not None
        assert left.tolist() == [[-1, 0, 0], [0, -1, 0]]


@pytest.mark.parametrize("by_place", [False, True])
@pytest.mark.parametrize("appended", [False, True])
def test_a_store_of_vectors_by_id_is_read_and_written_on(tmp_path: Path, by_place: bool, appended: bool) -> None:
    """As they were kept before a document's vectors stood in one row, and before that, without row ids."""
    texts = {"/a": ["ash. ", "elm. ", "ash. "], "/b": ["oak. "]}
    made = {source: planted.entry(source, chunks, SPACE) for source, chunks in texts.items()}
    settings = {"space": SPACE.name} | ({"vectors_of": "place"} if by_place else {})
    with closing(SQLiteStore(tmp_path / "kb", settings)) as old:
        if not appended:
            old._db.executescript(
                "DROP TABLE vectors; CREATE TABLE vectors (space TEXT NOT NULL, id BLOB NOT NULL, vector BLOB NOT NULL,"
                " PRIMARY KEY (space, id)) WITHOUT ROWID"
            )
        old.put(replace(entry, vectors=None) for entry in made.values())
        for entry in made.values():
            ids = [place_id(chunk.doc_id, *chunk.span) if by_place else chunk.id for chunk in entry.chunks]
            assert entry.vectors is not None
            old.put_vectors(SPACE.name, np.frombuffer(bytes.fromhex("".join(ids)), "V16"), entry.vectors)
        old.put_notes("context", old.snapshot().ids[:1], ["one"])
        old._db.execute("DROP TABLE matrices")
    with shut(tmp_path / "kb") as locked, nobody(), closing(SQLiteStore(locked)) as store:
        check(store.snapshot(), texts, True)
        assert store.notes("context", store.snapshot().ids[:1]) == {0: "one"}
        assert store.counts()[f"vectors {SPACE.name}"] == len(texts["/a"]) + by_place
    with closing(SQLiteStore(tmp_path / "kb")) as store:
        texts |= {"/0": ["fir\n", "ash. "], "/b": ["oak. ", "elm. "]}
        store.put(planted.entry(source, texts[source], SPACE) for source in ("/0", "/b"))
        check(store.snapshot(), texts, True)


def test_ids_that_begin_alike_have_their_own_vectors(tmp_path: Path) -> None:
    """Vectors by id are looked up by halves of ids; of these, the first are the same. And one has no chunk."""
    made = planted.entry("/a", ["ash ", "elm ", "ash "])
    ids = [f"{7:016x}{second:016x}" for second in (9, 3, 9)]
    chunks = [replace(chunk, id=key) for chunk, key in zip(made.chunks, ids, strict=True)]
    with closing(SQLiteStore(tmp_path / "kb", {"space": "here"})) as store:
        vectors = np.array([[1, 0], [0, 1], [1, 0], [1, 1]], dtype=np.float32)
        store.put([replace(made, chunks=chunks)])
        store.put_vectors("here", np.frombuffer(bytes.fromhex("".join([*ids, f"{7:016x}{5:016x}"])), "V16"), vectors)
        matrix = store.snapshot().matrix
        assert matrix is not None
        assert matrix.tolist() == vectors[:3].tolist()


def test_however_few_rows_are_read_at_a_time(kb: SQLiteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = {
        "/a": ["ash. ", "elm. "],
        "/b": ["oak. "],
        "/c": [],
        "/d": ["fir. ", "ash elm. ", "oak. "],
        "/0": ["ash. "],
    }
    kb.put(planted.entry(source, chunks, SPACE) for source, chunks in texts.items())
    monkeypatch.setattr("chunkwise.store.derive.ROWS", 2)
    monkeypatch.setattr("chunkwise.store.postings.STRETCH", 3)
    check(kb.snapshot(), texts, True)


def test_chunks_without_vectors_make_no_matrix(kb: SQLiteStore) -> None:
    kb.put([planted.entry("/c", ["fir. "])])
    assert kb.snapshot().matrix is None
    kb.put([planted.entry("/c", ["fir. "], SPACE)])
    assert kb.snapshot().matrix is not None


def test_readers_keep_their_state_while_a_writer_goes_on(kb: SQLiteStore) -> None:
    with closing(SQLiteStore(kb.path)) as reader:
        before = reader.snapshot()
        kb.put([planted.entry("/a", ["yew. "], SPACE), planted.entry("/c", ["fir. "], SPACE)])
        check(before, {"/a": ["ash. ", "elm. "], "/b": ["oak. "]}, True)
        kb.snapshot()  # writes the derived file anew
        check(before, {"/a": ["ash. ", "elm. "], "/b": ["oak. "]}, True)
        check(reader.snapshot(), {"/a": ["yew. "], "/b": ["oak. "], "/c": ["fir. "]}, True)


def test_nothing_of_an_open_transaction_is_seen(kb: SQLiteStore) -> None:
    with closing(SQLiteStore(kb.path)) as reader:
        seen = []

        def entries() -> Iterator[Entry]:
            yield planted.entry("/c", ["fir. "], SPACE)
            seen.append(reader.snapshot().sources)

        kb.put(entries())
        assert seen == [("/a", "/b")]
        assert reader.snapshot().sources == ("/a", "/b", "/c")


def test_a_second_writer_waits(kb: SQLiteStore) -> None:
    code = """
import sys
from pathlib import Path
from chunkwise.store import SQLiteStore
store = SQLiteStore(Path(sys.argv[1]))
with store.writing(lambda who: print("waits for", who, flush=True)):
    print("writes", flush=True)
"""
    from processes import start

    with kb.writing():
        other = start(code, kb.path)
        assert other.stdout is not None
        assert other.stdout.readline() == f"waits for process {os.getpid()}\n"
        assert other.poll() is None
    rest, complained = other.communicate(timeout=60)
    assert (rest, complained) == ("writes\n", "")
    assert run(code, kb.path) == "writes\n"


def test_what_a_killed_process_left_behind_is_cleared(kb: SQLiteStore) -> None:
    (kb.path / f".{DERIVED}.12345").write_bytes(b"half")
    with kb.writing():
        pass
    assert not list(kb.path.glob(f".{DERIVED}*"))


# What is no knowledge base


def test_nothing_there(tmp_path: Path) -> None:
    with pytest.raises(NoStore, match="does not exist"):
        SQLiteStore(tmp_path / "none")
    (tmp_path / "empty").mkdir()
    with pytest.raises(NoStore, match="holds no knowledge base"):
        SQLiteStore(tmp_path / "empty")
    assert not (tmp_path / "none").exists()


def test_something_else_there(tmp_path: Path) -> None:
    (tmp_path / "photo.jpg").write_bytes(b"x")
    with pytest.raises(NoStore, match="not empty") as raised:
        SQLiteStore(tmp_path, {})
    assert isinstance(raised.value, UserError)
    assert [entry.name for entry in tmp_path.iterdir()] == ["photo.jpg"]


@pytest.mark.parametrize("where", ["file", "file/below"])
def test_a_file_there(tmp_path: Path, where: str) -> None:
    (tmp_path / "file").write_bytes(b"x")
    with pytest.raises(NoStore, match="file"):
        SQLiteStore(tmp_path / where, {})


@pytest.mark.parametrize(
    "content", [b"not a database, but long enough to be looked at" * 100, b"SQLite format 3\0" + b"\xff" * 2000]
)
def test_not_a_database(tmp_path: Path, content: bytes) -> None:
    (tmp_path / FILE).write_bytes(content)
    with pytest.raises(NoStore, match="not a chunkwise knowledge base"):
        SQLiteStore(tmp_path)


@pytest.mark.parametrize(("version", "says"), [(VERSION + 1, "newer"), (VERSION - 1, "older"), (-5, "older")])
def test_other_versions_are_named_and_left_alone(kb: SQLiteStore, version: int, says: str) -> None:
    kb.close()
    with closing(sqlite3.connect(kb.path / FILE)) as db:
        db.execute(f"PRAGMA user_version = {version}")
    before = (kb.path / FILE).read_bytes()
    for settings_ in (None, {"space": ""}):
        with pytest.raises(StoreError, match=f"{says} chunkwise .store version {version}"):
            SQLiteStore(kb.path, settings_)
    assert (kb.path / FILE).read_bytes() == before


def test_a_database_damaged_inside_says_so(kb: SQLiteStore) -> None:
    kb.put([planted.entry(f"/many/{n}", [f"word{n} " * 50]) for n in range(200)])
    kb.close()
    file = kb.path / FILE
    data = bytearray(file.read_bytes())
    (kb.path / DERIVED).unlink(missing_ok=True)
    data[4096:] = os.urandom(len(data) - 4096)
    file.write_bytes(data)
    with pytest.raises(StoreError, match=r"damaged|not a chunkwise"):
        SQLiteStore(kb.path).snapshot()


@contextmanager
def nobody() -> Iterator[None]:
    """Without the rights of root, whom no permission stops."""
    if os.geteuid():
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


@contextmanager
def shut(store: Path) -> Iterator[Path]:
    """A copy of a store, in a directory that cannot be written."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        path = shutil.copytree(store, Path(folder) / "kb")
        for file in path.iterdir():
            file.chmod(0o444)
        path.chmod(0o555)
        yield path
        path.chmod(0o755)


@pytest.fixture
def locked(tmp_path: Path) -> Iterator[Path]:
    """A store in a directory that cannot be written."""
    planted.store(tmp_path / "open", {"/a": ["ash. ", "elm. "]}, SPACE).close()
    with shut(tmp_path / "open") as path:
        yield path


def test_a_directory_that_cannot_be_written_can_be_read(locked: Path) -> None:
    with nobody():
        with pytest.raises(PermissionError):
            (locked / "anything").touch()
        with closing(SQLiteStore(locked)) as store:
            check(store.snapshot(), {"/a": ["ash. ", "elm. "]}, True)
            assert store.document("/a").text == "ash. elm. "
            with pytest.raises(StoreError, match="cannot be written"):
                store.put([planted.entry("/b", ["oak. "], SPACE)])
            with pytest.raises(StoreError, match="cannot be written"), store.writing():
                pass


def test_asking_needs_no_writing(locked: Path) -> None:
    from chunkwise.recipe import build
    from chunkwise.retrieve import Corpus

    judge = planted.Trigrams(name="judge")
    with nobody(), closing(SQLiteStore(locked)) as store:
        found = build("multiscale")(Corpus(store, SPACE, judge), "elm", 5)
    assert found.ids[0] == 1
    assert judge.asked


def test_no_right_to_make_one(locked: Path) -> None:
    with nobody(), pytest.raises(StoreError, match="Permission denied"):
        SQLiteStore(locked / "inner", {})


def test_two_make_one_store_at_once(tmp_path: Path) -> None:
    code = """
import sys, time
from pathlib import Path
from chunkwise.store import SQLiteStore
time.sleep(max(0, float(sys.argv[2]) - time.time()))
print(SQLiteStore(Path(sys.argv[1]), {"space": sys.argv[3]}).settings["space"])
"""
    import time

    from processes import start

    at = time.time() + 1.5
    both = [start(code, tmp_path / "kb", at, name) for name in "abcd"]
    printed = {process.communicate(timeout=60) for process in both}
    assert len(printed) == 1, printed
    assert not list((tmp_path / "kb").glob(f".{FILE}*"))
