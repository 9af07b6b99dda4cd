"""`penstock tune`: the parameters of a pipeline that are best by a metric."""

from __future__ import annotations

from typing import IO, TYPE_CHECKING, Any

import click

import penstock
from penstock.cli.exits import FAILED
from penstock.cli.group import Command
from penstock.cli.output import duration, print_cells, print_json
from penstock.cli.params import read_object, read_params, read_tags
from penstock.cli.run import declared, interruptible
from penstock.cli.study_display import StudyDisplay
from penstock.cli.where import Where
from penstock.core.run import Run

if TYPE_CHECKING:  # the project loads every library: not for --help
    from penstock.studies import Study, StudyEvent

_BEST_ROWS = 5


@click.command(cls=Command)
@click.argument("pipeline")
@click.argument("more", nargs=-1, metavar="[NAME=SPACE]...")
@click.option(
    "--search",
    "spaces",
    multiple=True,
    metavar="NAME=SPACE",
    help="What to search: 'depth=int(2..12)', 'lr=log(0.01..0.3)', 'share=float(0..1, step=0.1)', 'kind=choice(a,b)'; "
    "more may follow it.",
)
@click.option("--trials", default=20, type=click.IntRange(1), show_default=True, help="Until there are so many.")
@click.option("--metric", required=True, metavar="STEP.NAME", help="What is best; trials run up to that step.")
@click.option("--direction", type=click.Choice(["minimize", "maximize"]), help="Known for metrics of penstock's own.")
@click.option("--parallel", default=1, type=click.IntRange(1), show_default=True, help="How many at a time.")
@click.option(
    "--sampler", default="tpe", show_default=True, help="tpe, random, grid, cmaes, gp or qmc: how to choose the next."
)
@click.option(
    "--pruner", default="none", show_default=True, help="none, median, hyperband or halving: when to give up."
)
@click.option("--prune-by", metavar="[STEP.]NAME", help="By which logged curve (default: the metric's name).")
@click.option("--until", multiple=True, metavar="STEP", help="Trials run up to this step instead.")
@click.option("--experiment", default="", help="Put the runs into this experiment (default: tune-PIPELINE).")
@click.option("--tag", "tags", multiple=True, metavar="NAME=VALUE", help="Give the runs a tag; may be given again.")
@click.option("--timeout", metavar="TIME", help="Begin no trial after that: 90s, 10m, 2h.")
@click.option("--seed", default=0, show_default=True, help="What the sampler draws by.")
@click.option("-p", "--param", "texts", multiple=True, metavar="NAME=VALUE", help="A parameter that stays as it is.")
@click.option("--params", "file", type=click.File("rb"), help="A JSON object of parameters in a file ('-': stdin).")
@click.option("--engine", help="inline, local or container (default: [engine] default of penstock.toml).")
@click.option("--max-parallel", type=click.IntRange(1), metavar="N", help="Run at most so many steps at once.")
@click.option("--no-figures", "figures", flag_value=False, default=True, help="Draw nothing.")
@click.option("--cause", hidden=True, help="What started the search, as JSON.")
@click.option("--run-id", default="", hidden=True, help="Record the search under this id, which none may have yet.")
@click.option("-q", "--quiet", is_flag=True, help="Show nothing but the result.")
@click.option("--json", "as_json", is_flag=True, help="Print each event as a line of JSON, and the study as the last.")
@click.pass_obj
def tune(
    root: Where,
    /,
    pipeline: str,
    more: tuple[str, ...],
    spaces: tuple[str, ...],
    texts: tuple[str, ...],
    file: IO[bytes] | None,
    tags: tuple[str, ...],
    until: tuple[str, ...],
    cause: str | None,
    quiet: bool,
    as_json: bool,
    **how: Any,
) -> None:
    """Search parameters of PIPELINE for those with the best metric, and run it once with these.

    Every trial is a run of the pipeline up to the metric's step, and steps that trials share are made once; what comes
    after that step, as a last evaluation on rows kept back, is done with the best parameters alone. Asked again, the
    search goes on where it ended. Exit code 1 if no trial has a value, or the last run fails.
    """
    from penstock.studies import read_spaces  # here: it loads what --help does not need

    project = penstock.open(root)
    params = read_params(declared(project, pipeline, {"resume": None}), texts, file)
    search = read_spaces((*spaces, *more))
    how |= {"params": params, "tags": read_tags(tags), "until": list(until) or None}
    how["cause"] = read_object(cause, "--cause") if cause else None
    with interruptible(), StudyDisplay() as display:
        show = _print_event if as_json else None if quiet else display
        study = project.tune(pipeline, search, on_event=show, **how)
    final = project.metadata.get(Run, study.final) if study.final else None
    _print_study(study, final, as_json)
    if final is None or final.state != "succeeded":
        raise click.exceptions.Exit(FAILED)


def _print_study(study: Study, final: Run | None, as_json: bool) -> None:
    from penstock.studies import summary

    state = "" if final is None else final.state
    if as_json:
        return print_json({"event": "study_ended", **summary(study), "final_state": state})
    judged = [trial for trial in study.trials if trial.value is not None and trial.state == "succeeded"]
    judged.sort(key=lambda trial: (-(trial.value or 0.0) if study.maximize else trial.value or 0.0, trial.number))
    names = list(study.spaces)
    print_cells(
        ("trial", study.metric, *names, "took", "run"),
        [
            [trial.number, trial.value, *(trial.params.get(name) for name in names), duration(trial.seconds), trial.run]
            for trial in judged[:_BEST_ROWS]
        ],
    )
    if study.best is not None:
        shown = " ".join(f"-p {name}={value}" for name, value in study.best_params.items())
        click.echo(f"best: {shown}")
    if final is not None and study.final not in {trial.run for trial in study.trials}:
        click.echo(f"the whole pipeline with these: run {final.id} {final.state}")


def _print_event(event: StudyEvent) -> None:
    from penstock.studies import StudyEnded, event_line

    if not isinstance(event, StudyEnded):  # which is printed last, with how the final run ended
        click.echo(event_line(event), nl=False)
