"""`penstock trigger`: what starts runs by itself."""

from __future__ import annotations

import logging
import signal
import threading
from pathlib import Path
from typing import Any

import click
import msgspec

import penstock
from penstock.cli.group import Command
from penstock.cli.output import duration, moment, print_cells, print_json
from penstock.cli.params import parse_value, read_object
from penstock.project.triggers import FiringView, TriggerView

JSON = click.option("--json", "as_json", is_flag=True, help="Print JSON.")


@click.group()
def trigger() -> None:
    """What starts runs by itself: schedules, files, events, other runs."""


@trigger.command("list", cls=Command)
@JSON
@click.pass_obj
def list_triggers(root: Path, as_json: bool) -> None:
    """List the triggers."""
    triggers = list(penstock.open(root).triggers.values())
    if as_json:
        print_json([_plain(each) for each in triggers])
    elif not triggers:
        click.echo("no triggers here yet; declare one in a module: nightly = ps.on(ps.cron('0 3 * * *'), pipeline)")
    else:
        columns = ("trigger", "kind", "when", "pipeline", "next", "state", "last", "fired")
        print_cells(columns, [_row(each) for each in triggers])


@trigger.command(cls=Command)
@click.argument("name")
@JSON
@click.pass_obj
def show(root: Path, name: str, as_json: bool) -> None:
    """Show trigger NAME."""
    found = penstock.open(root).triggers[name]
    if as_json:
        print_json(_plain(found))
        return
    record = found.record
    for title, value in (
        ("trigger", record.name),
        ("kind", record.kind),
        *record.spec.items(),
        ("pipeline", record.pipeline),
        ("params", msgspec.json.encode(record.params).decode() if record.params else ""),
        ("experiment", record.experiment),
        ("mode", record.mode),
        ("parallel runs", f"at most {record.max_parallel}, then {record.when_full}"),
        ("declared in", record.declared or "project.on"),
        ("next", moment(found.next)),
        ("state", _state(found)),
    ):
        if value not in ("", {}):
            click.echo(f"{title:<18}{value}")


@trigger.command(cls=Command)
@click.argument("name")
@click.option("--limit", default=20, type=click.IntRange(0), show_default=True, help="How many.")
@JSON
@click.pass_obj
def history(root: Path, name: str, limit: int, as_json: bool) -> None:
    """List what made trigger NAME fire, and the runs that came of it, newest first."""
    firings = penstock.open(root).triggers[name].firings(limit)
    if as_json:
        print_json([_plain_firing(firing) for firing in firings])
    elif not firings:
        click.echo(f"{name} has not fired yet")
    else:
        cells = [[moment(each.created), each.occurrence, each.run, each.state, each.reason] for each in firings]
        print_cells(("recorded", "cause", "run", "state", "reason"), cells)


@trigger.command(cls=Command)
@click.argument("name")
@click.option("-d", "--data", "texts", multiple=True, metavar="NAME=VALUE", help="A value of the event's data.")
@click.option("--json-data", "content", default="{}", metavar="JSON", help="The event's data as a JSON object.")
@JSON
@click.pass_obj
def fire(root: Path, name: str, texts: tuple[str, ...], content: str, as_json: bool) -> None:
    """Fire trigger NAME by hand, also if it is paused, as if an event with that data had come."""
    data = read_object(content, "--json-data")
    for text in texts:
        key, separator, value = text.partition("=")
        if not separator:
            raise click.UsageError(f"'-d {text}' has no '='; write -d name=value")
        data[key] = parse_value(value)
    firing = penstock.open(root).triggers[name].fire(**data)
    if as_json:
        print_json(_plain_firing(firing))
    elif firing.run:
        click.echo(f"run {firing.run}")
    elif firing.state == "waiting":
        click.echo("waits: as many runs as it allows are under way; penstock serve or trigger run will start it")
    else:
        click.echo(f"{firing.state}: {firing.reason}", err=True)
    if firing.state == "failed" and not firing.run:
        raise click.exceptions.Exit(1)


@trigger.command(cls=Command)
@click.argument("name")
@click.option("--reason", default="", help="Why, for those who find it paused.")
@click.pass_obj
def pause(root: Path, name: str, reason: str) -> None:
    """Let trigger NAME start nothing until it is resumed. What happens meanwhile waits."""
    penstock.open(root).triggers[name].pause(reason)


@trigger.command(cls=Command)
@click.argument("name")
@click.pass_obj
def resume(root: Path, name: str) -> None:
    """Let trigger NAME go on, with what waits."""
    penstock.open(root).triggers[name].resume()


@trigger.command(cls=Command)
@click.argument("name")
@click.pass_obj
def remove(root: Path, name: str) -> None:
    """Forget trigger NAME, which project.on added; its history stays."""
    penstock.open(root).triggers[name].remove()


@trigger.command(cls=Command)
@click.pass_obj
def run(root: Path) -> None:
    """Watch the triggers and start their runs until Ctrl-C, without a server. Several may do so at once."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(message)s")
    logging.getLogger("watchfiles").setLevel(logging.WARNING)
    triggers = penstock.open(root).triggers
    triggers.bring_in_step()
    stopped = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stopped.set())
    with triggers.watch() as monitor:
        monitor.start()
        click.echo(f"watching {', '.join(triggers) or 'no triggers yet'}  (stop: Ctrl-C)")
        stopped.wait()


def _row(found: TriggerView) -> list[Any]:
    record, newest = found.record, found.firings(1)
    last, fired = (newest[0].state, moment(newest[0].created)) if newest else ("", "")
    return [
        record.name,
        record.kind,
        _when(record.spec),
        record.pipeline,
        moment(found.next),
        _state(found),
        last,
        fired,
    ]


def _when(spec: dict[str, Any]) -> str:
    match spec:
        case {"expression": str(expression), "zone": str(zone)}:
            return expression if zone == "UTC" else f"{expression} ({zone})"
        case {"seconds": float(seconds) | int(seconds)}:
            return duration(seconds)
        case {"model": str(model), "metric": str(metric), "over": over, **rest}:
            bound = f"under {rest.get('under')}" if over is None else f"over {over}"
            return f"{metric} of {model} {bound}"
    told = (spec[name] for name in ("pattern", "type", "name", "pipeline", "feature_set", "model") if name in spec)
    return str(next(told, ""))


def _state(found: TriggerView) -> str:
    return "paused" if found.paused else ""


def _plain(found: TriggerView) -> dict[str, Any]:
    return {**msgspec.to_builtins(found.record), "paused": found.paused, "next": found.next}


def _plain_firing(firing: FiringView) -> dict[str, Any]:
    recorded = msgspec.to_builtins(firing.record)
    return {**recorded, "run": firing.run, "state": firing.state, "reason": firing.reason}
