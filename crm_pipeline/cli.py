"""The crm-pipeline command: reads arguments, calls the rooms, prints. No logic that another caller would need."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from crm_pipeline.errors import CrmError, UsageError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="From raw CRM tables to one scored customer table.",
)

Source = Annotated[
    Path | None,
    typer.Option(
        "--source",
        envvar="CRM_SOURCE",
        help="A source.yaml, or a folder that holds one (default: what the home was last run with, else data/sample).",
    ),
]
Files = Annotated[
    Path | None,
    typer.Option("--files", envvar="CRM_FILES", help="Where the source's files are, if not beside its YAML."),
]


def _plain(home: Path) -> Path:
    """Refuse a home whose path would be taken apart: it stands in the addresses of SQLite's and DuckDB's databases."""
    if found := [sign for sign in "?%" if sign in str(home.absolute())]:
        raise UsageError(f"--home {home}: a home's path cannot hold {found[0]!r}: choose another.")
    return home


Home = Annotated[
    Path,
    typer.Option("--home", envvar="CRM_HOME", callback=_plain, help="Where everything the program writes lies."),
]
Through = Annotated[
    str | None, typer.Option("--through", help="Last period, such as 2011-08 (default: the latest complete one).")
]
Periods = Annotated[int, typer.Option("--periods", min=1, help="How many periods to score, the last one included.")]
AsOf = Annotated[str | None, typer.Option("--as-of", help="Period, such as 2011-08 (default: the latest scored one).")]

Generation = Annotated[
    str | None,
    typer.Option(
        "--generation", help="As it was published: the number of a generation, the run that published it, or first."
    ),
]

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]

DEFAULT_SOURCE, DEFAULT_HOME = Path("data/sample"), Path("data/home")


def _located(home: Path, source: Path | None, files: Path | None) -> tuple[Path, Path | None]:
    from crm_pipeline.home.project import source_of

    return source_of(home, source, files, otherwise=DEFAULT_SOURCE)


@app.callback()
def _main(debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False) -> None:
    os.environ["CRM_DEBUG"] = "1" if debug or os.environ.get("CRM_DEBUG") == "1" else "0"


@app.command()
def sample(
    out: Annotated[Path, typer.Option("--out", help="Folder to make.")] = DEFAULT_SOURCE,
    customers: Annotated[int, typer.Option(min=10)] = 2000,
    periods: Annotated[int, typer.Option(min=6, help="Months of history.")] = 18,
    seed: int = 7,
    text_effect: Annotated[float, typer.Option(min=0.0, help="How much messages carry beyond the tables.")] = 0.5,
    audio_effect: Annotated[float, typer.Option(min=0.0, help="How much calls carry beyond the tables.")] = 0.5,
    recordings: Annotated[int, typer.Option(min=0, help="How many of the last calls have a recording.")] = 200,
) -> None:
    """Make a company with known truths (synthetic data)."""
    from crm_pipeline.console import show_sample
    from crm_pipeline.sample import write_company

    show_sample(
        out,
        write_company(
            out,
            customers=customers,
            periods=periods,
            seed=seed,
            text_effect=text_effect,
            audio_effect=audio_effect,
            recordings=recordings,
        ),
    )


@app.command()
def check(
    source: Source = None,
    files: Files = None,
    home: Home = DEFAULT_HOME,
    as_json: AsJson = False,
) -> None:
    """Data readiness: what was found, what is refused and why, which tasks can run."""
    from crm_pipeline.console import show_json, show_readiness
    from crm_pipeline.readiness import readiness
    from crm_pipeline.settings import load_settings
    from crm_pipeline.sources.spec import load_source

    found = readiness(load_source(*_located(home, source, files)), load_settings(home))
    show_json(found.to_dict()) if as_json else show_readiness(found)


@app.command()
def run(
    source: Source = None,
    home: Home = DEFAULT_HOME,
    files: Files = None,
    through: Through = None,
    periods: Periods = 1,
    force: Annotated[
        bool, typer.Option("--force", help="Rebuild all of these periods even where inputs and code are equal.")
    ] = False,
) -> None:
    """Score the last N periods: build exactly what they need, in order; skip what is fresh."""
    from crm_pipeline.console import Progress, show_notes, show_results, show_summary
    from crm_pipeline.defs.run import execute, prepare

    progress = Progress()
    with progress:
        progress.say("reading the source")
        place, files = _located(home, source, files)
        prepared = prepare(place, home, files, through, periods, progress.listen, force)
    show_notes(prepared)
    with progress:
        progress.expect(len(prepared.plan), told=True)
        summary = execute(prepared, beside=True, ended=progress.ended)
    show_summary(summary)
    show_results(summary)


@app.command()
def plan(
    source: Source = None,
    home: Home = DEFAULT_HOME,
    files: Files = None,
    through: Through = None,
    periods: Periods = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of {asset, partition, reason}.")] = False,
) -> None:
    """What is stale and why."""
    from crm_pipeline.console import show_json, show_notes, show_plan
    from crm_pipeline.defs.run import prepare

    place, files = _located(home, source, files)
    prepared = prepare(place, home, files, through, periods)
    show_notes(prepared, aside=as_json)
    if as_json:
        show_json([item._asdict() for item in prepared.plan])
    else:
        show_plan(prepared)


@app.command()
def backfill(
    first: Annotated[str, typer.Option("--from", help="First period, such as 2011-03.")],
    last: Annotated[str | None, typer.Option("--to", help="Last period (default: the latest complete one).")] = None,
    source: Source = None,
    home: Home = DEFAULT_HOME,
    files: Files = None,
    select: Annotated[
        list[str] | None, typer.Option("--select", help="Assets, such as 'clean/*' (repeat it), with what they read.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Rebuild what is selected even where it is fresh.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be built and its cost; build nothing.")
    ] = False,
) -> None:
    """Bring past periods up to date, in order; a period that fails does not stop the others. Run it again to go on."""
    from crm_pipeline.console import Progress, show_backfill, show_cost, show_notes
    from crm_pipeline.defs.run import execute, prepare_backfill

    progress = Progress()
    with progress:
        progress.say("reading the source")
        listener = progress.listen
        place, files = _located(home, source, files)
        prepared = prepare_backfill(
            place, home, files, first, last, select=select or (), listener=listener, force=force
        )
    show_notes(prepared)
    show_cost(prepared)
    if dry_run:
        return
    with progress:
        progress.expect(len(prepared.plan), told=True)
        # without a plan too: it clears up after killed runs
        summary = execute(prepared, keep_going=True, beside=True, ended=progress.ended)
    if prepared.plan:
        show_backfill(summary)
    if summary.failures:
        sys.exit(1)


@app.command()
def scores(
    home: Home = DEFAULT_HOME,
    as_of: AsOf = None,
    generation: Generation = None,
    form: Annotated[str, typer.Option("--format", help="table, csv, parquet or json.")] = "table",
    to: Annotated[Path | None, typer.Option("--to", help="Write to this file instead of the terminal.")] = None,
) -> None:
    """Read the scored customer table."""
    from crm_pipeline.console import show_scores
    from crm_pipeline.scored import open_scores, write_scores

    if form not in ("table", "csv", "parquet", "json"):
        raise UsageError(f"--format {form} is not known: choose table, csv, parquet or json.")
    if form == "parquet" and to is None:
        raise UsageError("--format parquet needs --to FILE.")
    found = open_scores(home, as_of, generation)
    if form == "table" and to is None:
        show_scores(found)
    else:
        write_scores(found, form, to)


@app.command()
def champion(
    task: Annotated[str | None, typer.Option("--task", help="A task, such as churn (default: all).")] = None,
    as_of: AsOf = None,
    rollback: Annotated[
        bool, typer.Option("--rollback", help="Let the champion before reign again, until a model beats it.")
    ] = False,
    leaderboard: Annotated[
        bool, typer.Option("--leaderboard", help="All models and baselines beside each other, over all blocks.")
    ] = False,
    home: Home = DEFAULT_HOME,
    source: Source = None,
    files: Files = None,
    form: Annotated[str, typer.Option("--format", help="table or json.")] = "table",
) -> None:
    """Which model scores, since when and why; who came second, and the baselines."""
    from crm_pipeline.champions import open_champions, open_leaderboards
    from crm_pipeline.console import show_json
    from crm_pipeline.console_champions import show_champions, show_leaderboards

    if form not in ("table", "json"):
        raise UsageError(f"--format {form} is not known: choose table or json.")
    if rollback and as_of:
        raise UsageError("--rollback acts on the latest decision: leave --as-of out.")
    if rollback:
        _roll_back(home, task, source, files, quiet=form == "json")
    if leaderboard:
        tables = open_leaderboards(home, task, as_of)
        show_json(_as_records(tables)) if form == "json" else show_leaderboards(tables)
        return
    found = open_champions(home, task, as_of)
    show_json([reign.to_dict() for reign in found]) if form == "json" else show_champions(found)


def _as_records(tables: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """Return data frames as JSON has them: a list of rows each, null for what is missing."""
    return {name: frame.astype(object).where(frame.notna(), None).to_dict("records") for name, frame in tables.items()}


def _roll_back(home: Path, task: str | None, source: Path | None, files: Path | None, quiet: bool) -> None:
    """Record a rollback and carry it out; where that fails, nothing was rolled back."""
    from crm_pipeline.champions import roll_back
    from crm_pipeline.console import Progress, show_summary
    from crm_pipeline.defs.run import execute, prepare
    from crm_pipeline.home.rollbacks import write_rollbacks

    period, earlier = roll_back(home, task)
    try:
        with Progress() as progress:
            place, files = _located(home, source, files)
            prepared = prepare(place, home, files, period, 1, progress.listen)
            progress.expect(len(prepared.plan))
            summary = execute(prepared)
    except CrmError:
        write_rollbacks(home, earlier)
        raise
    if not quiet:
        show_summary(summary)


@app.command()
def queue(
    home: Home = DEFAULT_HOME,
    period: Annotated[
        str | None, typer.Option("--period", help="Period, such as 2011-08 (default: the latest with a queue).")
    ] = None,
    top: Annotated[
        int | None, typer.Option("--top", min=1, help="How many matters (default: 20 in a table, else all).")
    ] = None,
    form: Annotated[str, typer.Option("--format", help="table, csv or json.")] = "table",
    to: Annotated[Path | None, typer.Option("--to", help="Write to this file instead of the terminal.")] = None,
) -> None:
    """The call queue: who needs a person first, and why."""
    from crm_pipeline.console import MOST, show_queue
    from crm_pipeline.queued import open_queue
    from crm_pipeline.scored import write_frame

    if form not in ("table", "csv", "json"):
        raise UsageError(f"--format {form} is not known: choose table, csv or json.")
    if form == "table":
        if to is not None:
            raise UsageError("--to FILE needs --format csv or json.")
        show_queue(open_queue(home, period, top or MOST))
    else:
        write_frame(open_queue(home, period, top).frame, form, to)


@app.command()
def explain(customer: str, home: Home = DEFAULT_HOME, as_of: AsOf = None, generation: Generation = None) -> None:
    """One customer: scores, reasons, what changed them since the last period, history."""
    from crm_pipeline.console import show_customer
    from crm_pipeline.score_changes import score_changes
    from crm_pipeline.scored import explain_customer

    story = explain_customer(home, customer, as_of, generation)
    show_customer(story, score_changes(home, story))


@app.command()
def diff(
    period: Annotated[
        str | None, typer.Option("--period", help="Period, such as 2011-08 (default: the latest scored one).")
    ] = None,
    home: Home = DEFAULT_HOME,
    against: Annotated[
        str | None,
        typer.Option(
            "--against", help="A generation's number, first, or the run that published it (default: the one before)."
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """What changed in the scores of a period since they were published before, and why."""
    from crm_pipeline.console import show_json
    from crm_pipeline.console_provenance import show_changes
    from crm_pipeline.provenance.changes import changes
    from crm_pipeline.scored import open_home, scored_period

    opened = open_home(home)
    found = changes(opened.lake, opened.calendar, scored_period(opened, period), against)
    show_json(found.to_dict()) if as_json else show_changes(found, opened)


@app.command()
def trace(
    customer: str,
    task: Annotated[str, typer.Option("--task", help="Whose score: churn or demand.")] = "churn",
    home: Home = DEFAULT_HOME,
    as_of: AsOf = None,
    generation: Generation = None,
    as_json: AsJson = False,
) -> None:
    """Where a customer's score comes from: features, model, training periods, source files and lines."""
    from crm_pipeline.console import show_json
    from crm_pipeline.console_provenance import show_trace
    from crm_pipeline.provenance.trace import known_task
    from crm_pipeline.provenance.trace import trace as follow
    from crm_pipeline.scored import open_home, scored_period

    opened, table = open_home(home), f"scores/{known_task(task)}"
    period = scored_period(opened, as_of, table)
    found = follow(opened.lake, opened.calendar, customer, task, period, generation)
    show_json(found.to_dict()) if as_json else show_trace(found, opened)


@app.command("train-intents")
def train_intents(
    file: Annotated[
        Path, typer.Argument(help="A CSV of texts and their intents; sentiment and language if there are.")
    ],
    test: Annotated[
        Path | None, typer.Option("--test", help="Labelled texts to judge it on (default: a fifth of FILE, held out).")
    ] = None,
    home: Home = DEFAULT_HOME,
    text_column: Annotated[str | None, typer.Option("--text-column", help="Column of the texts.")] = None,
    label_column: Annotated[str | None, typer.Option("--label-column", help="Column of the intents.")] = None,
    as_json: AsJson = False,
) -> None:
    """Learn from labelled texts what messages are about; the next run classifies them with it."""
    from crm_pipeline.console import Progress, show_intents, show_json
    from crm_pipeline.home.intents import train_intents as train

    with Progress() as progress:
        done = train(home, file, test, (text_column, label_column), progress.say)
    show_json(done.to_dict()) if as_json else show_intents(done, home)


@app.command("train-emotion")
def train_emotion(
    file: Annotated[
        Path, typer.Argument(help="A CSV of path, emotion and speaker; paths are relative to its folder, or absolute.")
    ],
    test: Annotated[
        Path | None,
        typer.Option("--test", help="Labelled recordings to judge it on (default: FILE's speakers in turn)."),
    ] = None,
    normalise_by_speaker: Annotated[
        bool,
        typer.Option(
            "--normalise-by-speaker", help="Compare each voice with itself; needs several recordings of each."
        ),
    ] = False,
    without_network: Annotated[
        bool,
        typer.Option(
            "--without-network",
            help="Fit no convolutional network beside the SVM; it takes about 3 s of a processor for each fold.",
        ),
    ] = False,
    home: Home = DEFAULT_HOME,
    as_json: AsJson = False,
) -> None:
    """Learn from labelled recordings how voices sound; speakers it never heard judge it, and a network beside it (extra 'deep')."""
    from crm_pipeline.console import Progress, show_emotions, show_json
    from crm_pipeline.home.emotions import train_emotion as train

    with Progress() as progress:
        done = train(home, file, test, normalise_by_speaker, not without_network, progress.say)
    show_json(done.to_dict()) if as_json else show_emotions(done, home)


@app.command()
def say(
    text: Annotated[str, typer.Option("--text", help="What to say.")],
    to: Annotated[Path, typer.Option("--to", help="The WAV file to write.")],
    voice: Annotated[
        str, typer.Option("--voice", help="A language, with a variant after a plus: en-gb, de, en-us+f3.")
    ] = "en-us",
    pitch: Annotated[int, typer.Option(min=0, max=100)] = 50,
    rate: Annotated[int, typer.Option(min=80, max=450, help="Words per minute.")] = 175,
    volume: Annotated[int, typer.Option(min=0, max=200)] = 100,
) -> None:
    """Speak a text into a WAV file, such as a call-back message."""
    from crm_pipeline.audio.synthesis import Delivery, EspeakNg, write_wav
    from crm_pipeline.console import out

    speech = EspeakNg().say(text, Delivery(voice, pitch, rate=rate, volume=volume))
    write_wav(speech, to)
    out.print(f"{to}: {len(speech.samples) / speech.rate:.1f} s of speech.")


@app.command()
def ui(
    home: Home = DEFAULT_HOME,
    source: Source = None,
    files: Files = None,
    port: Annotated[int, typer.Option(help="Of the Dagster UI.")] = 3000,
    mlflow_port: Annotated[int, typer.Option(help="Of the MLflow UI.")] = 5000,
) -> None:
    """Open the Dagster UI with its daemon, and the MLflow UI, on this home."""
    from crm_pipeline.serve import serve

    serve(home, source, files, port, mlflow_port)


@app.command()
def doctor(
    home: Home = DEFAULT_HOME,
    as_json: Annotated[bool, typer.Option("--json", help="Print a list of {severity, what, mend}.")] = False,
) -> None:
    """What is wrong with a home, and how to mend it; exit code 1 when something is. Nothing is changed."""
    from crm_pipeline.console import show_findings, show_json
    from crm_pipeline.defs.health import examine
    from crm_pipeline.doctor import is_wrong

    findings = examine(home)
    if as_json:
        show_json([finding._asdict() for finding in findings])
    else:
        show_findings(home, findings)
    if is_wrong(findings):
        raise typer.Exit(1)


@app.command()
def prune(
    older: Annotated[int, typer.Option("--runs-older-than", min=1, max=36_500, help="Days since a run began.")],
    home: Home = DEFAULT_HOME,
) -> None:
    """Delete old runs from Dagster's history; what recorded the newest of a partition stays."""
    from crm_pipeline.console import out
    from crm_pipeline.defs.pruning import prune_home

    done = prune_home(home, older)
    out.print(f"{done.removed:,} runs deleted; {done.kept:,} as old stay, because they recorded what is newest.")


def main(arguments: list[str] | None = None) -> None:
    """Run the command; a mendable error is one sentence on stderr and exit code 1, wrong use is 2."""
    try:
        code: Any = app(args=arguments, standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except CrmError as error:
        if os.environ.get("CRM_DEBUG") == "1":
            raise
        print(f"crm-pipeline: {error}", file=sys.stderr)
        sys.exit(2 if isinstance(error, UsageError) else 1)
    except typer.Abort:
        sys.exit(1)
    except KeyboardInterrupt:
        print("crm-pipeline: stopped; what was built is kept, run again to go on.", file=sys.stderr)
        sys.exit(130)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise
        print(
            "crm-pipeline: nothing more can be written (the disk is full): make room, and run again.", file=sys.stderr
        )
        sys.exit(1)
    except Exception as error:
        usage = getattr(error, "exit_code", None)
        if usage == 2 and hasattr(error, "format_message"):
            print(f"crm-pipeline: {error.format_message()}", file=sys.stderr)
            sys.exit(2)
        raise


if __name__ == "__main__":
    main()
