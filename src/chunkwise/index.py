"""The job of indexing: a directory of documents kept in a knowledge base, and packed from it."""

from __future__ import annotations

import contextlib
import os
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from operator import length_hint
from pathlib import Path
from threading import get_ident
from typing import TYPE_CHECKING, Any, Literal

from chunkwise import recipe
from chunkwise.budget import Budget
from chunkwise.embed import Contextualised, InContext, is_recipe
from chunkwise.errors import NoStore, ReadError, StaleError, UnansweredWarning, UserError, heard
from chunkwise.store import Entry, FileState, SQLiteStore
from chunkwise.units import Document, Floats

if TYPE_CHECKING:
    from chunkwise.compress import Compressor
    from chunkwise.embed import Embedder
    from chunkwise.models import Ask, Supplies
    from chunkwise.pack import Pack
    from chunkwise.prompt import Layout
    from chunkwise.read import Skipped
    from chunkwise.retrieve import Corpus, Retriever
    from chunkwise.segment import Segmenter
    from chunkwise.select import Selector
    from chunkwise.tokens import Tokenizer

Vectors = Literal["lazy", "eager", "static", "none"]
DEFAULTS = {"segmenter": "sentence", "tokenizer": "o200k_base", "vectors": "lazy", "embedder": "minilm"}
BATCH = 64  # documents written in one transaction
# A file changed within this time of being read may have changed again without its time stamp saying so.
RACE = 2_000_000_000


@dataclass(slots=True)
class Report:
    """What a run of `Index.add` did. unchanged, added, removed: documents; skipped: files passed over, and why.

    unanswered: sources of documents that a model was to help cut and could not; the next run cuts them again.
    """

    added: int = 0
    unchanged: int = 0
    removed: int = 0
    chunks: int = 0
    characters: int = 0
    seconds: float = 0.0
    skipped: list[Skipped] = field(default_factory=list)
    failed: list[Skipped] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a run is: files done of files in all, chunks written, questions that a language model was asked.

    of: 0 where it is not known.
    """

    files: int
    of: int
    chunks: int
    questions: int = 0


class Index:
    """A knowledge base: documents cut into chunks, searched, and packed under a budget.

    Open one with `Index.open(path)`; use it as a context manager or close it.
    """

    def __init__(self, store: SQLiteStore, supplies: Supplies | None = None) -> None:
        self._store = store
        self._given = supplies
        self._questions = 0
        self._moved: Callable[[], None] = lambda: None

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        create: bool = True,
        segmenter: str | None = None,
        tokenizer: str | None = None,
        vectors: Vectors | None = None,
        embedder: str | None = None,
        supplies: Supplies | None = None,
    ) -> Index:
        """The knowledge base at `path`, made there if there is none and `create` says so.

        segmenter: recipe of the family "segment" ("sentence"); tokenizer: what tokens are counted in ("o200k_base");
        vectors: "lazy" (static vectors now, contextual ones for what becomes a candidate), "eager" (contextual ones
        for everything now), "static" or "none"; embedder: of the contextual vectors ("minilm", a folder, or
        URL#model). They are fixed when the knowledge base is made; asking an existing one for others raises UserError.
        supplies: what makes the models that recipes ask for, in place of those of `chunkwise.supplies.supplies`.
        Raises NoStore where there is nothing, or something else.
        """
        asked = {"segmenter": segmenter, "tokenizer": tokenizer, "vectors": vectors, "embedder": embedder}
        chosen = {key: value for key, value in asked.items() if value is not None}
        path = Path(path)
        from chunkwise.store.sqlite import FILE

        if not create or (path / FILE).exists():
            store = SQLiteStore(path)
            for key, value in chosen.items():
                if store.settings[key] != value:
                    raise UserError(
                        f"{path} was made with {key} {store.settings[key]!r}, not {value!r};"
                        " index into another directory to have it otherwise"
                    )
            return cls(store, supplies)
        settings = {**DEFAULTS, **chosen}
        _check(settings, supplies)
        scan = _scan(settings, supplies)
        kept_by = {"vectors_of": "place"} if isinstance(scan, InContext) else {}
        return cls(SQLiteStore(path, {**settings, "space": scan.name if scan else "", **kept_by}), supplies)

    def __enter__(self) -> Index:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the files."""
        self._store.close()

    @property
    def path(self) -> Path:
        """The directory that holds the knowledge base."""
        return self._store.path

    @property
    def settings(self) -> Mapping[str, str]:
        """What the knowledge base was made with."""
        return self._store.settings

    # Filling

    def add(
        self,
        *paths: str | Path,
        exclude: Sequence[str] = (),
        progress: Callable[[Progress], None] = lambda progress: None,
        waiting: Callable[[str], None] = lambda who: None,
    ) -> Report:
        """Bring the documents at and below `paths` up to date: new and changed files in, removed files out.

        exclude: gitignore-style patterns of files to leave out. progress: called after each file, and while a language
        model is asked about one; waiting: called with the other writer's name when there is one, before waiting for
        it. Every document is written whole or not at all, so that a run that is stopped anywhere is gone on with by
        the next. Where a model gives no answer one UnansweredWarning tells of all documents. Raises UserError for a
        path that is not there.
        """
        from chunkwise.read import Skipped, read, source_of, walk

        roots = [_plain(path) for path in paths]
        report, began = Report(), time.perf_counter()
        with self._store.writing(waiting):
            known = self._store.files()
            files: list[Path] = []
            for found in walk(roots, exclude=exclude):
                if isinstance(found, Skipped):
                    report.skipped.append(found)
                else:
                    files.append(found)
            if (outer := _outermost((*self._store.roots(), *map(_folder, roots)))) != self._store.roots():
                self._store.put_roots(outer)
            seen: set[str] = set()

            def documents() -> Iterator[tuple[Document, FileState] | None]:
                for file in files:
                    source = source_of(file)
                    seen.add(source)
                    try:
                        fresh = self._fresh(file, known.get(source), read)
                        report.unchanged += fresh is None
                        yield fresh
                    except ReadError as error:
                        report.failed.append(Skipped(file, str(error)))
                        yield None

            self._write(documents(), len(files), report, progress)
            gone = [source for source in known if source not in seen and _below(source, roots)]
            report.removed = self._store.remove(gone) if gone else 0
            self._store.snapshot()
        report.seconds = time.perf_counter() - began
        return report

    def add_documents(
        self, documents: Iterable[Document], *, progress: Callable[[Progress], None] = lambda progress: None
    ) -> Report:
        """Put documents from elsewhere in, each replacing what its source held; progress: as in `add`."""
        report, began = Report(), time.perf_counter()
        now = time.time_ns()
        with self._store.writing():
            entries = ((document, FileState(document.id, len(document.text), now, now)) for document in documents)
            self._write(entries, length_hint(documents), report, progress)
            self._store.snapshot()
        report.seconds = time.perf_counter() - began
        return report

    def forget(self, *paths: str | Path) -> int:
        """Take the documents at and below `paths` out; how many there were."""
        wanted = [_plain(path) for path in paths]
        names = {str(path) for path in paths}
        with self._store.writing():
            sources = [source for source in self._store.files() if source in names or _below(source, wanted)]
            gone = self._store.remove(sources) if sources else 0
            left = self._store.files()
            roots = [root for root in self._store.roots() if any(_below(source, [Path(root)]) for source in left)]
            self._store.put_roots(roots)
            return gone

    def _fresh(
        self, file: Path, known: FileState | None, read: Callable[[Path], Document]
    ) -> tuple[Document, FileState] | None:
        """The file's document and state when it is new or changed, None when it is as it was."""
        now = time.time_ns()
        try:
            found = file.stat()
        except OSError as error:
            raise ReadError(f"{file} cannot be read: {error.strerror}") from error
        state = FileState(known.content if known else "", found.st_size, found.st_mtime_ns, now)
        if (
            known
            and (known.size, known.modified) == (state.size, state.modified)
            and known.modified < known.seen - RACE
        ):
            return None
        document = read(file)
        state = FileState(document.id, state.size, state.modified, now)
        if known and known.content == document.id and known.seen:
            self._store.touch({document.source: state})
            return None
        return document, state

    def _write(
        self,
        documents: Iterable[tuple[Document, FileState] | None],
        of: int,
        report: Report,
        progress: Callable[[Progress], None],
    ) -> None:
        """Cut, count, embed and store, a batch of documents at a time; None is one of which nothing is to be done."""
        batch: list[Entry] = []
        done, self._questions, fallen = 0, 0, list[UnansweredWarning]()

        own = get_ident()

        def moved() -> None:
            if get_ident() == own:  # a model is asked from several threads, progress is told from one
                progress(Progress(done, of, report.chunks, self._questions))

        self._moved = moved
        try:
            with heard(UnansweredWarning, fallen.append):
                for fresh in documents:
                    if fresh is not None:
                        document, state = fresh
                        told = len(fallen)
                        entry = self._entry(document, state)
                        if len(fallen) > told:
                            report.unanswered.append(document.source)
                            entry = replace(entry, state=replace(state, seen=0))
                        batch.append(entry)
                        report.added += 1
                        report.chunks += len(entry.chunks)
                        report.characters += len(document.text)
                    if len(batch) == BATCH:
                        self._store.put(batch)
                        batch = []
                    done += 1
                    moved()
        finally:  # what was made before an interruption is kept
            self._moved = lambda: None
            if batch:
                self._store.put(batch)
            if fallen:
                warnings.warn(UnansweredWarning.of_all(fallen), stacklevel=3)

    def _entry(self, document: Document, state: FileState) -> Entry:
        from chunkwise.retrieve import words
        from chunkwise.retrieve.language import language
        from chunkwise.segment import chunks

        spoken = language(document.text, document.media_type)
        cut = chunks(document, self._segmenter, self._tokenizer.offsets(document.text))
        spans, texts = [chunk.span for chunk in cut], [chunk.text for chunk in cut]
        before = self._contextualised
        read = texts if before is None else before.as_read(document, spans)
        vectors: Floats | None = None
        if before is not None and before is self._scan:
            vectors = before(read)
        elif isinstance(self._scan, InContext):
            vectors = self._scan.in_document(document, spans)
        elif self._scan is not None:
            vectors = self._scan(texts)
        return Entry(document, cut, words(spoken).count(read), spoken, state, vectors)

    # Asking

    def pack(
        self,
        query: str,
        budget: Budget | int = 1500,
        *,
        retriever: str | Retriever = "multiscale",
        selector: str | Selector = "coverage",
        compressor: str | Compressor | None = None,
        layout: str | Layout | None = None,
        earlier: Sequence[Pack] = (),
        labels: bool = True,
    ) -> Pack:
        """The context that `budget` tokens buy for a question, cited, with a reason for every candidate.

        retriever, selector, compressor: recipe specs such as "bm25", "top-k:k=8" or "comi", or what such a recipe
        builds; with a compressor more is selected than fits, and then made to fit. layout: a recipe of the family
        "layout", the order of the documents unless said; earlier: the packs of this conversation, the oldest first, for
        a layout such as "prefix-stable" to go on from: it begins as one of them did, for as long as the question wants
        enough of that. labels: whether the budget pays for the labels too (`Pack.text` as it stands) or for the
        passages' own text alone.
        """
        from chunkwise.pack import pack

        retrieve: Retriever = self.build(retriever, "retrieve")
        select: Selector = self.build(selector, "select")
        compress: Compressor | None = self.build(compressor, "compress")
        arrange: Layout | None = self.build(layout, "layout")
        before = [one.passages for one in earlier]
        limit, tokenizer = Budget.of(budget), self._tokenizer
        for _ in range(4):
            with contextlib.suppress(StaleError):  # a writer was quicker: the newer state is read
                return pack(self.corpus(), query, limit, tokenizer, retrieve, select, compress, arrange, before, labels)
        return pack(self.corpus(), query, limit, tokenizer, retrieve, select, compress, arrange, before, labels)

    def build(self, spec: Any, family: str) -> Any:
        """What a recipe of the families retrieve, select or compress builds with this index's models.

        What is no spec is given back as it is.
        """
        return recipe.build(spec, family, self._supplies) if isinstance(spec, str) else spec

    def corpus(self) -> Corpus:
        """The newest state of the index as retrievers see it."""
        from chunkwise.retrieve import Corpus

        snapshot = self._store.snapshot()
        if self._corpus is None or self._corpus.snapshot is not snapshot:
            self._corpus = Corpus(self._store, self._scan, self._judge)
        return self._corpus

    def document(self, source: str) -> Document:
        """A document with its text, as it was when it was indexed; StoreError when it is not in the index."""
        return self._store.document(source)

    @property
    def roots(self) -> tuple[str, ...]:
        """The folders that were indexed; citations are shown relative to them."""
        return self._store.roots()

    def analyse(self, text: str) -> list[str]:
        """The terms of a text, in order, as the language of most documents has them; for a reader of packs."""
        return self.corpus().words.terms(text)

    def status(self) -> dict[str, int]:
        """How much there is: documents, chunks, tokens, bytes, and vectors by space."""
        return self._store.counts()

    # Parts, made when first used

    _corpus: Corpus | None = None

    @cached_property
    def _segmenter(self) -> Segmenter:
        return _segmenter(self.settings, self._watched)

    @cached_property
    def _watched(self) -> Supplies:
        """What was given, with the language model so that each question that it is asked counts as progress.

        What models write is kept in the store.
        """
        ask, given = _models(self._given).get("ask"), self._given or {}
        return {"notes": lambda: self._store, **given, **({"ask": lambda: self._counted(ask())} if ask else {})}

    def _counted(self, ask: Ask) -> Ask:
        def counted(prompt: str) -> str:
            try:
                return ask(prompt)
            finally:
                self._questions += 1
                self._moved()

        return counted

    @cached_property
    def _tokenizer(self) -> Tokenizer:
        from chunkwise.tokens import tokenizer

        return tokenizer(self.settings["tokenizer"])

    @cached_property
    def _scan(self) -> Embedder | None:
        scan = _scan(self.settings, self._watched)
        made = self.settings["space"]
        if scan and scan.name != made:
            raise NoStore(
                f"{self.path} was indexed by another version: its vectors are {made}, not {scan.name};\n"
                "delete that folder and index the documents again, or index them into another folder"
            )
        return scan

    @cached_property
    def _judge(self) -> Embedder | None:
        if self.settings["vectors"] not in ("lazy", "eager"):
            return None
        if self.settings["vectors"] == "eager":
            return self._scan
        from chunkwise.embed import embedder

        return embedder(self.settings["embedder"], _models(self._watched))

    @cached_property
    def _contextualised(self) -> Contextualised | None:
        """The embedder that puts a context before each chunk, where it is one: its words are searched as well."""
        if not is_recipe(self.settings["embedder"]):  # a model is not to be loaded before it is needed
            return None
        made = self._judge
        return made if isinstance(made, Contextualised) else None

    @cached_property
    def _supplies(self) -> Supplies:
        """What makes the models of the recipes that find, select and compress: those that the index has, and others."""
        own = {"embed": lambda: self._judge or self._scan} if self.settings["vectors"] != "none" else {}
        kept = {"tokenizer": lambda: self._tokenizer, "notes": lambda: self._store}
        return _models({**own, **kept, **(self._given or {})})


def _scan(settings: Mapping[str, str], given: Supplies | None) -> Embedder | None:
    """The embedder of the vectors that every chunk gets when it is indexed."""
    from chunkwise.embed import embedder

    if settings["vectors"] == "none":
        return None
    return embedder(settings["embedder"] if settings["vectors"] == "eager" else "static", _models(given))


def _models(given: Supplies | None, embedder: str = "minilm") -> Supplies:
    from chunkwise.supplies import supplies

    return {**supplies(embedder), **(given or {})}


def _segmenter(settings: Mapping[str, str], given: Supplies | None) -> Segmenter:
    # Cut by the vectors that chunks get while they are indexed: with lazy ones no model is to run before it is asked.
    embedder = settings["embedder"] if settings["vectors"] == "eager" else "static"
    made: Segmenter = recipe.build(settings["segmenter"], "segment", _models(given, embedder))
    return made


def _check(settings: Mapping[str, str], given: Supplies | None) -> None:
    """Refuse at once what would only fail at the first document or question."""
    from chunkwise.embed import embedder
    from chunkwise.tokens import tokenizer

    _segmenter(settings, given)
    tokenizer(settings["tokenizer"])
    if settings["vectors"] not in ("lazy", "eager", "static", "none"):
        raise UserError(f"vectors are lazy, eager, static or none, not {settings['vectors']!r}")
    if settings["vectors"] == "lazy" and is_recipe(settings["embedder"]):
        embedder(settings["embedder"], _models(given))


def _plain(path: str | Path) -> Path:
    """The absolute path without `..`, so that a file has one source however it is reached."""
    return Path(os.path.abspath(path))  # noqa: PTH100  # pathlib leaves `..` in place, or follows links


def _folder(root: Path) -> str:
    return (root if root.is_dir() else root.parent).as_posix()


def _outermost(folders: Iterable[str]) -> tuple[str, ...]:
    """Those of the folders that do not lie below another, in order."""
    found = dict.fromkeys(folders)
    return tuple(one for one in found if not any(one != other and _below(one, [Path(other)]) for other in found))


def _below(source: str, roots: Sequence[Path]) -> bool:
    from chunkwise.read import source_of

    names = [source_of(root) for root in roots]
    return any(source == name or source.startswith(f"{name.rstrip('/')}/") for name in names)
