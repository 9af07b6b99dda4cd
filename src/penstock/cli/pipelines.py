"""`penstock pipelines`: what there is to run."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import click

import penstock
from penstock.cli.group import Command
from penstock.cli.output import print_cells, print_json, shown
from penstock.cli.where import Where
from penstock.pipelines import PipelineFunction
from penstock.pipelines.pipeline_function import REQUIRED

if TYPE_CHECKING:  # the project loads every library: not for --help
    from penstock.remote.pipelines import RemotePipeline


@click.command(cls=Command)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.pass_obj
def pipelines(root: Where, as_json: bool) -> None:
    """List the pipelines that the project's modules declare, with their parameters."""
    found = penstock.open(root).pipelines
    if as_json:
        print_json(
            [{"name": name, "description": _about(each), "params": _params(each)} for name, each in found.items()]
        )
    elif not found:
        click.echo("no pipelines here; declare one by @ps.pipeline in a module of penstock.toml, or see penstock init")
    else:
        print_cells(
            ("pipeline", "parameters", "what it does"),
            [(name, _written(each), _about(each).partition("\n")[0]) for name, each in found.items()],
        )


def _about(pipeline: PipelineFunction | RemotePipeline) -> str:
    return inspect.getdoc(pipeline) or "" if isinstance(pipeline, PipelineFunction) else pipeline.description


def _params(pipeline: PipelineFunction | RemotePipeline) -> dict[str, dict[str, Any]]:
    defaults = {name: each.default for name, each in pipeline.parameters.items()}
    return {name: {} if default is REQUIRED else {"default": default} for name, default in defaults.items()}


def _written(pipeline: PipelineFunction | RemotePipeline) -> str:
    """Return the parameters as they are given to a run."""
    params = {name: each.get("default", ...) for name, each in _params(pipeline).items()}
    return " ".join(f"{name}={'...' if default is ... else shown(default)}" for name, default in params.items())
