"""What can be typed. Each command opens a knowledge base, calls one job and shows what came of it."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from chunkwise import __version__

if TYPE_CHECKING:
    from chunkwise.index import Index
    from chunkwise.llm import LLM
    from chunkwise.models import Ask
    from chunkwise.pack import Pack
    from chunkwise.prompt import Reuse

_began = time.perf_counter()

app = typer.Typer(
    name="chunkwise",
    help="Ask a folder of documents under a token budget: cited context for any LLM, and a reason for every chunk.",
    epilog='Start with: chunkwise index ./docs, then: chunkwise ask "how are refunds handled?"',
    no_args_is_help=True,
    rich_markup_mode=None,  # Rich would double the time that --help takes
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
Question = Annotated[str, typer.Argument(metavar="QUESTION", help="What to look for, in quotes.", show_default=False)]
BudgetTokens = Annotated[
    int | None,
    typer.Option("--budget", metavar="TOKENS", help="Most tokens that the context may cost; 1500.", show_default=False),
]
Retriever = Annotated[
    str | None,
    typer.Option(
        metavar="SPEC", help="Recipe that finds: `chunkwise recipes retrieve`; multiscale.", show_default=False
    ),
]
Selector = Annotated[
    str | None,
    typer.Option(metavar="SPEC", help="Recipe that selects: `chunkwise recipes select`; coverage.", show_default=False),
]
Compressor = Annotated[
    str | None,
    typer.Option(metavar="SPEC", help="Recipe that compresses: `chunkwise recipes compress`.", show_default=False),
]
Follow = Annotated[
    bool,
    typer.Option(
        "--follow", help="Go on from the last pack: begin as its prompt did, so that an endpoint reads less anew."
    ),
]
ReadPrices = Annotated[
    str | None,
    typer.Option(
        "--prices",
        metavar="FRESH,CACHED",
        help="Prices of a million tokens, read anew and again; with --follow, to say what is saved.",
        show_default=False,
    ),
]
SomePaths = Annotated[
    list[Path] | None,
    typer.Argument(
        metavar="PATH",
        help="Folders and files; without any, those that the nearest knowledge base was made of.",
        show_default=False,
    ),
]
ModelFolder = Annotated[
    Path,
    typer.Option(
        "--model",
        metavar="DIR",
        help="Hugging Face folder: config.json, safetensors, tokenizer.json.",
        show_default=False,
    ),
]
Memory = Annotated[str, typer.Option(metavar="SIZE", help="Memory for keys and values.")]
SchedulerSpec = Annotated[
    str, typer.Option("--scheduler", metavar="SPEC", help="Recipe: `chunkwise recipes serve-schedule`.")
]
QuantiseWeights = Annotated[
    str | None, typer.Option("--quantise", metavar="int8", help="Weights in 8 bits.", show_default=False)
]
KnownSet = Annotated[
    str | None, typer.Option("--set", metavar="NAME", help="A known set, such as squad_xquad_en, instead of PATH.")
]
Data = Annotated[Path | None, typer.Option(metavar="DIR", help="Folder that holds the known sets.")]
Limit = Annotated[int | None, typer.Option(metavar="N", help="Most questions; 100 where they are made.")]
KnowledgeBase = Annotated[
    Path | None,
    typer.Option(
        "--kb",
        metavar="DIR",
        envvar="CHUNKWISE_KB",
        help="Knowledge base; without it the nearest .chunkwise, here or above.",
        show_default=False,
    ),
]


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"chunkwise {__version__}")
        raise typer.Exit


@app.callback()
def chunkwise(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of what went wrong.")] = False,
) -> None:
    """What every command takes."""


@app.command(epilog='Example: chunkwise index ./docs --exclude "drafts/"')
def index(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Folders and files.", show_default=False)],
    into: Annotated[
        Path, typer.Option("--into", "--kb", metavar="DIR", envvar="CHUNKWISE_KB", help="Knowledge base to write.")
    ] = Path(".chunkwise"),
    exclude: Annotated[
        list[str] | None,
        typer.Option(metavar="PATTERN", help="Leave out what this .gitignore pattern matches; may be repeated."),
    ] = None,
    vectors: Annotated[
        str | None,
        typer.Option(metavar="WHEN", help="Make vectors: lazy (unless said otherwise), eager, static or none."),
    ] = None,
    segmenter: Annotated[str | None, typer.Option(metavar="SPEC", help="Recipe that cuts: sentence.")] = None,
    tokenizer: Annotated[str | None, typer.Option(metavar="NAME", help="What tokens are counted in.")] = None,
    embedder: Annotated[str | None, typer.Option(metavar="SPEC", help="minilm, a folder, or URL#model.")] = None,
    llm: Annotated[
        str | None,
        typer.Option(metavar="URL#model", help="Endpoint that segmenters ask: lumberchunker, moc.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Index folders and files; again, and only what changed is read."""
    from chunkwise.chosen import nearest
    from chunkwise.cli import show
    from chunkwise.cli.bar import IndexBar
    from chunkwise.errors import UserError
    from chunkwise.index import Index
    from chunkwise.supplies import supplies

    if missing := [path for path in paths if not path.exists()]:
        raise UserError(f"{missing[0]}: no such file or folder; check the path")
    said = {"segmenter": segmenter, "tokenizer": tokenizer, "vectors": vectors, "embedder": embedder}
    chosen: dict[str, Any] = {**nearest().index, **{name: value for name, value in said.items() if value is not None}}
    if llm:
        chosen["supplies"] = {"ask": supplies(llm=llm)["ask"]}
    with Index.open(into, **chosen) as opened:
        try:
            with IndexBar() as bar:
                report = opened.add(*paths, exclude=exclude or (), progress=bar.update, waiting=bar.wait)
        except KeyboardInterrupt:
            documents = opened.status()["documents"]
            show.note(f"stopped; {documents:,} documents are in; run the same command to go on")
            raise typer.Exit(130) from None
        roots = opened.roots
    if as_json:
        fields = ("added", "unchanged", "removed", "chunks", "characters", "seconds")
        files = {
            kind: [{"path": str(file.path), "reason": file.reason} for file in getattr(report, kind)]
            for kind in ("skipped", "failed")
        }
        counts = {name: getattr(report, name) for name in fields}
        show.out_json({"kb": str(into), **counts, **files, "unanswered": report.unanswered})
    else:
        show.indexed(report, into, roots)
    if report.failed or report.unanswered:
        raise typer.Exit(1)


@app.command(epilog='Example: chunkwise pack "how are refunds handled?" --budget 800 > context.txt')
def pack(
    question: Question,
    kb: KnowledgeBase = None,
    budget: BudgetTokens = None,
    retriever: Retriever = None,
    selector: Selector = None,
    compressor: Compressor = None,
    follow: Follow = False,
    prices: ReadPrices = None,
    llm: Annotated[
        str | None,
        typer.Option(metavar="URL#model", help="Endpoint for recipes that ask a model.", show_default=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Print the context that a budget buys, to pipe into any model."""
    from chunkwise.cli import show

    with _open(kb, llm) as opened:
        packed, again = _packed(opened, question, budget, retriever, selector, compressor, follow, prices)
    if as_json:
        show.out_json({**packed.json(), **_reuse(again)})
    else:
        if packed.text:
            show.out(packed.text)
        show.flagged(packed.trace.flags)
        show.aside(show.bill(packed, _seconds(), again=again))


@app.command(epilog='Example: chunkwise ask "how are refunds handled?" --llm http://localhost:8000/v1#qwen')
def ask(
    question: Question,
    kb: KnowledgeBase = None,
    budget: BudgetTokens = None,
    retriever: Retriever = None,
    selector: Selector = None,
    compressor: Compressor = None,
    follow: Follow = False,
    prices: ReadPrices = None,
    llm: Annotated[
        str | None,
        typer.Option(
            metavar="URL#model",
            help="OpenAI-compatible endpoint that answers, with OPENAI_API_KEY, or local:DIR; OPENAI_BASE_URL and"
            " OPENAI_MODEL where"
            " it is not named; none: quote the sentences that carry the answer.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Answer a question from the documents, each statement cited."""
    from chunkwise.ask import ask as answered
    from chunkwise.cli import show

    model = _model(llm)
    with _open(kb, llm) as opened:
        packed, again = _packed(opened, question, budget, retriever, selector, compressor, follow, prices)
        told = None if as_json else lambda piece: show.out(piece, end="")
        answer = answered(packed, question, model, told, analyse=opened.analyse)
    if as_json:
        show.out_json({**packed.json(), **answer.json(), **_reuse(again)})
        return
    show.out("")
    show.citations(answer)
    show.flagged(packed.trace.flags)
    show.aside(show.bill(packed, _seconds(), answer, again))


@app.command(epilog="Example: chunkwise explain --html why.html")
def explain(
    kb: KnowledgeBase = None,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page that shows the chunks in their documents.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Show all that was left out, not the best of it.")] = False,
    as_json: Json = False,
) -> None:
    """Say why each chunk of the last pack is in or out."""
    from chunkwise.cli import show
    from chunkwise.cli.last import load

    with _open(kb) as opened:
        last = load(opened)
    if html is not None:
        from chunkwise.cli.page import page

        html.write_text(page(last, everything), encoding="utf-8", errors="replace")
    if as_json:
        show.out_json(last.json())
    elif html is not None:
        show.out(f"{html} shows the last pack: {last.query}")
    else:
        show.explained(last, everything)


@app.command(
    epilog="Examples: chunkwise compare ./docs --recipes recursive:size=200,overlap=20,sentence;"
    " chunkwise compare ./docs --questions mine.jsonl --plot recall.svg --csv recall.csv"
)
def compare(
    paths: SomePaths = None,
    recipes: Annotated[
        str | None,
        typer.Option(metavar="SPECS", help="Cuts to compare, by commas: fixed,recursive:size=200,overlap=20,sentence."),
    ] = None,
    retrievers: Annotated[
        str | None, typer.Option(metavar="SPECS", help="What searches; rrf for all, and our default beside.")
    ] = None,
    selectors: Annotated[str | None, typer.Option(metavar="SPECS", help="What fills the budget; coverage.")] = None,
    embedder: Annotated[
        str | None, typer.Option(metavar="LIST", help="minilm (unless said), static, none, folder, URL#model.")
    ] = None,
    compressors: Annotated[
        str | None, typer.Option(metavar="SPECS", help="What makes passages fit; none, or none,truncate.")
    ] = None,
    budgets: Annotated[str | None, typer.Option(metavar="LIST", help="Tokens for the reader; 250,500,1000.")] = None,
    measures: Annotated[
        str | None,
        typer.Option(
            metavar="LIST", help="Further measures, which cost time: omega, sizes, clarity, stickiness, answers."
        ),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="A paper's sweep, `chunkwise recipes survey-eval`; the options above change it."
        ),
    ] = None,
    questions: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Your questions with quoted evidence (docs/compare.md)."),
    ] = None,
    known: KnownSet = None,
    data: Data = None,
    limit: Limit = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Chooses the questions that are made or drawn.")] = 0,
    llm: Annotated[
        str | None,
        typer.Option(metavar="URL#model", help="Writes questions, answers them, serves recipes that ask a model."),
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="PATTERN", help="Leave out what this .gitignore pattern matches.")
    ] = None,
    work: Annotated[
        Path, typer.Option(metavar="DIR", help="Where indexes and results are kept, to go on with.")
    ] = Path(".chunkwise-compare"),
    csv: Annotated[Path | None, typer.Option(metavar="FILE", help="Write every cell as a row.")] = None,
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw recall against tokens: .svg, .png.")] = None,
    as_json: Json = False,
) -> None:
    """Measure recipes side by side on your own documents: what each keeps, and what it costs.

    Every cut is searched with the same questions and fills the same budgets of tokens. Without questions of yours they
    are made from the documents. Stopped anywhere, the same command goes on.
    """
    from chunkwise import compare as job
    from chunkwise.cli import compared, show
    from chunkwise.cli.bar import CompareBar
    from chunkwise.errors import UserError

    chosen = {
        "segment": recipes, "retrieve": retrievers, "select": selectors, "embed": embedder, "compress": compressors,
        "budgets": budgets,
    }  # fmt: skip
    if known is not None and (paths or questions):
        raise UserError("compare on PATH or --set, not on both")
    grid = compared.grid(preset, chosen)
    wanted = job.checked(filter(None, map(str.strip, (measures or "").split(","))))
    for file in filter(None, (csv, plot)):  # known before hours of measuring, not after them
        if file.is_dir() or not file.parent.is_dir():
            raise UserError(f"{file} cannot be written; name a file in a folder that is there")
    drawn = plot is not None and compared.may_draw(plot)
    try:
        with CompareBar() as bar:
            material = (
                job.of_set(known, data, limit=limit, seed=seed)
                if known is not None
                else job.of_folders(
                    paths or _indexed(), questions, limit=limit, seed=seed, ask=_asked(llm), exclude=exclude or ()
                )
            )
            comparison = job.compare(material.dataset, grid, work, llm=llm, measures=wanted, progress=bar.update)
    except KeyboardInterrupt:
        show.note("stopped; what was measured is kept: run the same command to go on")
        raise typer.Exit(130) from None
    if csv is not None:
        compared.write_csv(comparison, csv)
    if plot is not None and drawn and not compared.write_plot(comparison, plot):
        show.note(f"{plot} was not drawn: there is no recall to draw")
    if as_json:
        show.out_json(job.json_report(comparison, material.notes))
    else:
        compared.compared(comparison, material)
    if any(cell.error or cell.unanswered for cell in comparison.cells):
        raise typer.Exit(1)


@app.command(epilog="Example: chunkwise tune ./docs --budget 1500 --minutes 10 --plot front.svg")
def tune(
    paths: SomePaths = None,
    questions: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Your questions with quoted evidence (docs/compare.md).")
    ] = None,
    budget: Annotated[int, typer.Option(metavar="TOKENS", help="Tokens to tune for.")] = 1500,
    minutes: Annotated[float, typer.Option(metavar="N", help="Time to search in; over it by one trial at most.")] = 10,
    known: KnownSet = None,
    data: Data = None,
    limit: Limit = None,
    seed: Annotated[int, typer.Option(metavar="N", help="Chooses the questions, and which of them are held out.")] = 0,
    llm: Annotated[
        str | None, typer.Option(metavar="URL#model", help="Writes the questions, and serves recipes that ask a model.")
    ] = None,
    exclude: Annotated[
        list[str] | None, typer.Option(metavar="PATTERN", help="Leave out what this .gitignore pattern matches.")
    ] = None,
    work: Annotated[
        Path, typer.Option(metavar="DIR", help="Where indexes and results are kept, to go on with.")
    ] = Path(".chunkwise-tune"),
    out: Annotated[Path, typer.Option(metavar="FILE", help="Write the choice there.")] = Path("chunkwise.toml"),
    plot: Annotated[Path | None, typer.Option(metavar="FILE", help="Draw the fronts: .svg, .png.")] = None,
    as_json: Json = False,
) -> None:
    """Find the pipeline for your own documents: the front of recall against tokens and against time.

    Half of the questions search, the other half decides. Without questions of yours they are made from the documents.
    The choice is written to chunkwise.toml, which index, pack and ask follow. Stopped anywhere, the same command goes
    on.
    """
    from chunkwise import compare as job
    from chunkwise.chosen import Chosen, refuse, write
    from chunkwise.cli import compared, show, tuned
    from chunkwise.cli.bar import TuneBar
    from chunkwise.errors import ChunkwiseError, UserError
    from chunkwise.tune import tune as found

    if known is not None and (paths or questions):
        raise UserError("tune on PATH or --set, not on both")
    refuse(out)
    for file in filter(None, (out, plot)):  # known before the minutes are spent, not after them
        if file.is_dir() or not file.parent.is_dir():
            raise UserError(f"{file} cannot be written; name a file in a folder that is there")
    drawn = plot is not None and compared.may_draw(plot)
    try:
        with TuneBar() as bar:
            material = (
                job.of_set(known, data, limit=limit, seed=seed)
                if known is not None
                else job.of_folders(
                    paths or _indexed(), questions, limit=limit, seed=seed, ask=_asked(llm), exclude=exclude or ()
                )
            )
            made = found(material.dataset, budget, minutes, work, llm=llm, seed=seed, progress=bar.update)
    except KeyboardInterrupt:
        show.note("stopped; what was measured is kept: run the same command to go on")
        raise typer.Exit(130) from None
    if plot is not None and drawn:
        tuned.write_plot(made, material.dataset.name, plot)
    if made.choice is not None:
        write(out, Chosen(made.choice.pipeline, budget), made.choice.why)
    if as_json:
        show.out_json(tuned.json_report(made, material.notes))
    else:
        tuned.tuned(made, material)
        if made.choice is not None:
            show.aside(f"written to {out}: index, pack and ask follow it")
    if made.choice is None:
        raise ChunkwiseError("no pipeline could be measured; run `chunkwise compare` to see why")


@app.command(
    epilog="Examples: chunkwise simulate --rate 8 --hardware a100 --model llama-3-8b; "
    "chunkwise simulate azure.jsonl.gz --recipes fcfs,sarathi-serve:budget=512 --plot waits.svg"
)
def simulate(
    trace: Annotated[
        Path | None,
        typer.Argument(metavar="[TRACE]", help="JSON lines of Azure, Mooncake or ServeGen; or give --rate."),
    ] = None,
    rate: Annotated[
        float | None, typer.Option(metavar="R", help="Draw requests, so many a second; 0: all at once.")
    ] = None,
    recipes: Annotated[
        str, typer.Option(metavar="SPECS", help="Schedulers: `chunkwise recipes serve-schedule`.")
    ] = "fcfs,sarathi-serve",
    hardware: Annotated[
        str, typer.Option(metavar="FILE|NAME", help="a100, h100, ...; or a JSON file of figures or measured steps.")
    ] = "a100",
    model: Annotated[
        str, typer.Option(metavar="NAME", help="Its shape: llama-3-8b, qwen3-30b-a3b, ...")
    ] = "llama-3-8b",
    devices: Annotated[int, typer.Option(metavar="N", help="Devices that share every layer.")] = 1,
    engines: Annotated[int, typer.Option(metavar="N", help="Engines that share the requests.")] = 1,
    limit: Annotated[int | None, typer.Option(metavar="N", help="Most requests; 1000 where they are drawn.")] = None,
    speed: Annotated[float, typer.Option(metavar="X", help="Times that the trace is played quicker.")] = 1.0,
    prompt: Annotated[int, typer.Option(metavar="TOKENS", help="Mean prompt that is drawn.")] = 1024,
    output: Annotated[int, typer.Option(metavar="TOKENS", help="Mean output that is drawn.")] = 256,
    ttft: Annotated[float, typer.Option(metavar="SECONDS", help="Promised time to the first token.")] = 1.0,
    tbt: Annotated[float, typer.Option(metavar="SECONDS", help="Promised time between tokens.")] = 0.1,
    seed: Annotated[int, typer.Option(metavar="N", help="Chooses what is drawn.")] = 0,
    plot: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Draw how long tokens let wait: .svg, .png.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Find out how an engine would fare: any schedulers on the same requests, on hardware you need not have.

    No model runs: each step takes as long as the hardware's figures say, or as steps measured on your machine do.
    """
    from chunkwise.cli import compared, show, simulated
    from chunkwise.cli.bar import SimulateBar
    from chunkwise.engine.simulate import Roofline, Run, Slo, generate, traces
    from chunkwise.engine.simulate.cost import read
    from chunkwise.engine.simulate.pools import each
    from chunkwise.errors import UserError

    if (trace is None) == (rate is None):
        raise UserError("give a trace or --rate R, one of them")
    if plot is not None and (plot.is_dir() or not plot.parent.is_dir()):
        raise UserError(f"{plot} cannot be written; name a file in a folder that is there")
    drawn = plot is not None and compared.may_draw(plot)
    chosen, cost, slo = simulated.schedulers(recipes), read(hardware, model, devices), Slo(ttft, tbt)
    if not cost.slots:
        raise UserError(f"{model} leaves no memory for keys and values on {devices} x {hardware}; raise --devices")
    with SimulateBar() as bar:
        if trace is not None:
            jobs = traces.read(trace, limit, seed, speed)
        else:
            jobs = generate(rate or 0.0, 1000 if limit is None else limit, prompt=prompt, output=output, seed=seed)
        runs, done = {spec: list[Run]() for spec in chosen}, 0
        for spec, scheduler in chosen.items():
            bar.update(spec, done, len(jobs) * len(chosen))
            for run in each(jobs, scheduler, cost, engines):
                runs[spec].append(run)
                done += len(run.jobs) + len(run.refused)
                bar.update(spec, done, len(jobs) * len(chosen))
    on = f"{model} on {devices} x {hardware}" if isinstance(cost, Roofline) else Path(hardware).name
    told = f"{trace.name if trace else f'{rate:g} a second'} · {on}{f' x {engines} engines' if engines > 1 else ''}"
    if plot is not None and drawn:
        simulated.write_plot(runs, slo, told, plot)
    if as_json:
        setting = {"trace": trace and trace.name, "rate": rate, "hardware": hardware, "engines": engines}
        show.out_json(simulated.json_report(jobs, runs, slo, {**setting, "slots": cost.slots}))
    else:
        simulated.simulated(jobs, runs, slo, told)


@app.command(epilog="Example: chunkwise serve --model models/Qwen2.5-0.5B-Instruct --memory 4GB")
def serve(
    model: ModelFolder,
    host: Annotated[str, typer.Option(metavar="HOST", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(metavar="N", min=0, max=65535, help="Port; 0 for any.")] = 8000,
    memory: Memory = "2GB",
    scheduler: SchedulerSpec = "sarathi-serve",
    quantise: QuantiseWeights = None,
    spill: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Keep there what leaves the memory, for later and for the next start."),
    ] = None,
) -> None:
    """Serve a local model to OpenAI's clients, at /v1 (docs/serving.md)."""
    from chunkwise.cli import generated, show
    from chunkwise.errors import UserError

    try:
        from chunkwise.serve import Server
    except ModuleNotFoundError as error:
        raise UserError(f"{error.name} is not installed; run: pip install 'chunkwise[serve]'") from error
    with generated.completer(model, memory, scheduler, quantise, spill) as completer:
        Server(completer, host, port, lambda url: show.note(f"{completer.name} at {url}/v1, until Ctrl-C")).run()


@app.command(epilog='Example: chunkwise generate "Chunks are" --model models/Qwen2.5-0.5B --max-tokens 50')
def generate(
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="Text to go on with, in quotes.", show_default=False)],
    model: ModelFolder,
    max_tokens: Annotated[
        int | None, typer.Option(metavar="N", min=1, help="Most tokens; as many as there is room for.")
    ] = None,
    sampler: Annotated[
        str, typer.Option(metavar="SPEC", help="Recipes, one after another: `chunkwise recipes sample`.")
    ] = "temperature:t=0",
    seed: Annotated[int | None, typer.Option(metavar="N", help="Same seed, same text.", show_default=False)] = None,
    chat: Annotated[bool, typer.Option("--chat", help="Put it to the model as a user's message.")] = False,
    memory: Memory = "2GB",
    quantise: QuantiseWeights = None,
) -> None:
    """Let a local model write, to the terminal."""
    from chunkwise.cli import generated

    with generated.completer(model, memory, quantise=quantise) as completer:
        generated.told(completer, prompt, max_tokens, sampler, seed, chat)


@app.command(epilog="Example: chunkwise recipes select")
def recipes(
    family: Annotated[str | None, typer.Argument(metavar="[FAMILY]", help="segment, retrieve, select, ...")] = None,
    as_json: Json = False,
) -> None:
    """List the recipes, what each claims and whose idea it is."""
    from chunkwise import recipe
    from chunkwise.cli import show

    found = recipe.recipes(family)
    if family is not None and not found:
        raise recipe.unknown_family(family)
    if as_json:
        fields = ("name", "aliases", "family", "seed", "claim", "check", "spec")
        show.out_json([{name: getattr(one, name) for name in fields} for one in found])
    else:
        show.recipes(found)


@app.command(epilog="Example: chunkwise status --json")
def status(kb: KnowledgeBase = None, as_json: Json = False) -> None:
    """Show what the knowledge base holds."""
    from chunkwise.cli import show

    with _open(kb) as opened:
        path, counts, settings, roots = opened.path, opened.status(), opened.settings, opened.roots
    if as_json:
        vectors = {name.removeprefix("vectors "): n for name, n in counts.items() if name.startswith("vectors ")}
        sizes = {name: n for name, n in counts.items() if not name.startswith("vectors ")}
        names = ("segmenter", "tokenizer", "vectors", "embedder")
        chosen = {name: settings[name] for name in names}
        show.out_json(
            {"kb": str(path), "made": settings["made"], "roots": roots, **sizes, "vectors": vectors, "settings": chosen}
        )
    else:
        show.status(path, counts, settings, roots)


@app.command(epilog="Example: chunkwise forget ./docs/old")
def forget(
    paths: Annotated[list[Path], typer.Argument(metavar="PATH", help="Folders and files.", show_default=False)],
    kb: KnowledgeBase = None,
    as_json: Json = False,
) -> None:
    """Take documents out of the index; their files are left alone."""
    from chunkwise.cli import show

    with _open(kb) as opened:
        removed = opened.forget(*paths)
        path = opened.path
    if as_json:
        show.out_json({"kb": str(path), "removed": removed})
    else:
        show.out(f"{path}: {removed:,} document{'' if removed == 1 else 's'} forgotten")


def _open(kb: Path | None, llm: str | None = None) -> Index:
    """The knowledge base; llm: what recipes ask that need a model, where they are to ask another than the default."""
    from chunkwise.cli.where import nearest
    from chunkwise.index import Index
    from chunkwise.supplies import supplies

    named = llm is not None and llm != "none"
    return Index.open(nearest(kb), create=False, supplies={"ask": supplies(llm=llm)["ask"]} if named else None)


def _indexed() -> list[Path]:
    """The folders that the nearest knowledge base was made of."""
    from chunkwise.errors import NoStore, UserError

    try:
        with _open(None) as opened:
            roots = [Path(root) for root in opened.roots]
    except NoStore:
        roots = []
    if not roots:
        raise UserError("nothing to compare on; name a folder: chunkwise compare ./docs")
    return roots


def _asked(llm: str | None) -> Ask | None:
    """The model that writes questions, where it is named."""
    if llm is None:
        return None
    from chunkwise.supplies import supplies

    ask: Ask = supplies(llm=llm)["ask"]()
    return ask


def _packed(
    opened: Index,
    question: str,
    budget: int | None,
    retriever: str | None,
    selector: str | None,
    compressor: str | None,
    follow: bool,
    prices: str | None,
) -> tuple[Pack, Reuse | None]:
    """The pack, noted for `explain`; what is not said is as the nearest chunkwise.toml says, or as by default.

    Beside it, where it goes on from the last one, what of its prompt was read before.
    """
    from chunkwise.chosen import nearest
    from chunkwise.cli.last import keep, to_follow
    from chunkwise.errors import UserError
    from chunkwise.prompt import Prices, reuse
    from chunkwise.tokens import tokenizer

    if prices is not None and not follow:
        raise UserError("--prices says what going on from the last pack saves; add --follow")
    # Without prices every token that is alike; with them what an endpoint keeps, in blocks.
    asked = Prices(0, 0, block=1, least=0) if prices is None else Prices.of(prices)
    before = to_follow(opened) if follow else None

    chosen = nearest()
    retriever, selector = retriever or chosen.pipeline.retrieve, selector or chosen.pipeline.select
    compressor = compressor or chosen.pipeline.compress
    limit = chosen.budget if budget is None else budget
    packed = opened.pack(
        question,
        limit,
        retriever=retriever,
        selector=selector,
        compressor=None if compressor == "none" else compressor,
        layout="prefix-stable" if follow else None,
        earlier=[before] if before else (),
    )
    keep(opened, packed, retriever, selector if compressor == "none" else f"{selector} · {compressor}")
    if before is None:
        return packed, None
    return packed, reuse(packed.prompt, [before.prompt], tokenizer(opened.settings["tokenizer"]), asked)


def _reuse(again: Reuse | None) -> dict[str, Any]:
    """What --json shows of it; nothing where the pack goes on from no other."""
    return {"reuse": {"tokens": again.tokens, "cached": again.cached, "saved": again.saved}} if again else {}


def _model(llm: str | None) -> LLM | None:
    if llm == "none" or (llm is None and not os.environ.get("OPENAI_BASE_URL")):
        return None
    from chunkwise.llm import named

    return named(llm)


def _seconds() -> float:
    return time.perf_counter() - _began
