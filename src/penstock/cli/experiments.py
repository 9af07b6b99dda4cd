"""`penstock experiments`, `compare` and `tag`: runs side by side, and what they are called."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click
import msgspec

import penstock
from penstock.artifacts import find_run
from penstock.cli.group import Command
from penstock.cli.output import duration, moment, print_cells, print_json, shown
from penstock.cli.params import read_tags
from penstock.cli.where import Where
from penstock.core.run import Run
from penstock.errors import UnknownNameError
from penstock.pipelines import tag_run

if TYPE_CHECKING:  # the project loads every library: not for --help
    from penstock.pipelines import Comparison, Difference
    from penstock.project import Experiment, Project
    from penstock.remote import RemoteProject
    from penstock.studies import Study


@click.command(cls=Command)
@click.argument("name", required=False)
@click.option("--sort", metavar="METRIC", help="Of the runs of one experiment, the lowest first.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def experiments(root: Where, name: str | None, sort: str | None, as_json: bool) -> None:
    """List experiments with what their metrics came to; with NAME, its runs with parameters and metrics."""
    project = penstock.open(root)
    if name is not None:
        return _experiment(project, name, sort, as_json)
    found = [(each, project.experiments[each]) for each in project.experiments]
    if as_json:
        listed = [
            {"name": each, "runs": len(one.runs), "metrics": msgspec.to_builtins(one.ranges)} for each, one in found
        ]
        return print_json({"experiments": listed})
    if not found:
        return click.echo("no experiments here yet; penstock run PIPELINE --experiment NAME puts a run into one")
    rows = [row for _, one in found for row in _rows(one)]
    print_cells(("experiment", "runs", "newest", "metric", "last", "lowest", "highest"), rows)


def _rows(experiment: Experiment) -> list[list[Any]]:
    """Return a row for each metric, of which the first says what the experiment is."""
    runs = experiment.runs
    first: list[Any] = [experiment.name, len(runs), moment(runs[0].record.created)]
    rows: list[list[Any]] = [
        ["", None, "", name, each.last, each.lowest, each.highest] for name, each in experiment.ranges.items()
    ]
    rows = rows or [[*first, "", None, None, None]]
    rows[0][: len(first)] = first
    return rows


def _experiment(project: Project | RemoteProject, name: str, sort: str | None, as_json: bool) -> None:
    experiment = project.experiments[name]
    records = {run.id: run.record for run in experiment.runs}
    metrics, studies = experiment.metrics, experiment.studies
    names = list(dict.fromkeys(metric for found in metrics.values() for metric in found))
    if sort is not None:
        if sort not in names:
            raise UnknownNameError("metric", sort, names, within=f"experiment '{name}'")
        missing = float("inf")
        records = dict(sorted(records.items(), key=lambda item: metrics[item[0]].get(sort, missing)))
    if as_json:
        runs = [{**msgspec.to_builtins(run, enc_hook=repr), "metrics": metrics[id]} for id, run in records.items()]
        return print_json({"experiment": name, "runs": runs, "studies": [told_study(study) for study in studies]})
    for study in studies:
        click.echo(study_line(study))
    varied = _varied([run.params for run in records.values()])
    rows = []
    for id, run in records.items():
        values = [*(run.params.get(each) for each in varied), *(metrics[id].get(each) for each in names)]
        rows.append([id, run.state, moment(run.created), *values, _tags(run), run.notes])
    print_cells(("run", "state", "started", *varied, *names, "tags", "notes"), rows)


def told_study(study: Study) -> dict[str, Any]:
    """Return a study as JSON, without its trials, which are runs of the experiment."""
    best = study.best
    told = {"study": study.name, "pipeline": study.pipeline, "metric": study.metric, "counts": study.counts}
    found = None if best is None else {"run": best.run, "value": best.value, "params": dict(best.params)}
    return {**told, "direction": "maximize" if study.maximize else "minimize", "best": found}


def study_line(study: Study) -> str:
    """Return a study in one line: how many trials of what came to what."""
    counts = ", ".join(f"{count} {state}" for state, count in study.counts.items())
    best = study.best
    found = "no trial has a value"
    if best is not None:
        params = " ".join(f"{name}={shown(value)}" for name, value in best.params.items())
        found = f"best {shown(best.value)} with {params} (run {best.run})"
    way = "highest" if study.maximize else "lowest"
    return f"study {study.name}: {study.pipeline} by the {way} {study.metric}, {counts}; {found}"


def _tags(run: Run) -> str:
    return " ".join(f"{name}={value}" for name, value in run.tags.items())


def _varied(params: Sequence[dict[str, Any]]) -> list[str]:
    """Return the parameters that are not the same everywhere."""
    names = dict.fromkeys(name for found in params for name in found)
    return [name for name in names if any(found.get(name) != params[0].get(name) for found in params)]


@click.command(cls=Command)
@click.argument("run")
@click.argument("other")
@click.argument("more", nargs=-1)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def compare(root: Where, run: str, other: str, more: tuple[str, ...], as_json: bool) -> None:
    """Say what differs between RUN and OTHER (and more): parameters, metrics, steps, data, code."""
    project = penstock.open(root)
    records = [find_run(project.metadata, text) for text in (run, other, *more)]
    found = project.compare(*(record.id for record in records))
    if as_json:
        return print_json(msgspec.to_builtins(found, enc_hook=repr))
    _print_comparison(found, records)


def _print_comparison(found: Comparison, records: Sequence[Run]) -> None:
    letters = [chr(ord("A") + at) if at < 26 else str(at + 1) for at in range(len(records))]
    print_cells(
        ("", "run", "pipeline", "state", "started", "took", "experiment", "tags"),
        [
            [
                letter,
                run.id,
                run.pipeline,
                run.state,
                moment(run.created),
                duration(seconds),
                run.experiment,
                _tags(run),
            ]
            for letter, run, seconds in zip(letters, records, found.seconds, strict=True)
        ],
    )
    _print_differences("differs", found.facts, letters)
    _print_differences("parameter", found.params, letters)
    if found.metrics:
        click.echo()
        changes = [f"{letter} - A" for letter in letters[1:]]
        rows = [[each.name, *each.values, *map(_signed, each.differences[1:])] for each in found.metrics]
        print_cells(("metric", *letters, *changes), rows)
    click.echo()
    steps = [
        [step.name, *map(_ran, step.states, step.seconds), "; ".join(dict.fromkeys(filter(None, step.changes)))]
        for step in found.steps
    ]
    print_cells(("step", *letters, "what changed since A"), steps)
    _print_differences("data", found.data, letters)
    _print_differences("code", found.code, letters)


def _print_differences(title: str, rows: Sequence[Difference], letters: Sequence[str]) -> None:
    if rows:
        click.echo()
        cells = [[row.name, *("-" if value is None else shown(value) for value in row.values)] for row in rows]
        print_cells((title, *letters), cells)


def _signed(value: float | None) -> str:
    return "" if value is None else "=" if value == 0 else f"{value:+.4g}"


def _ran(state: str | None, seconds: float | None) -> str:
    if state is None:
        return "-"
    return state if seconds is None else f"{state} {duration(seconds)}"


@click.command(cls=Command)
@click.argument("run")
@click.argument("changes", nargs=-1, metavar="[NAME=VALUE | NAME-]...")
@click.option("--note", metavar="TEXT", help="Replace the run's note.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def tag(root: Where, run: str, changes: tuple[str, ...], note: str | None, as_json: bool) -> None:
    """Give RUN tags (`team=delays`), take some away (`team-`), or write a note; without any, show them."""
    metadata = penstock.open(root).metadata
    gone = [text.removesuffix("-") for text in changes if text.endswith("-") and "=" not in text]
    given = read_tags([text for text in changes if not (text.endswith("-") and "=" not in text)], "")
    tags: dict[str, Any] = {**dict.fromkeys(gone), **given}
    found = find_run(metadata, run)
    changed = tag_run(metadata, found.id, tags, note=note) if tags or note is not None else found
    if as_json:
        print_json({"run": changed.id, "tags": changed.tags, "notes": changed.notes})
        return
    for name, value in changed.tags.items():
        click.echo(f"{name}={value}")
    if changed.notes:
        click.echo(changed.notes)
