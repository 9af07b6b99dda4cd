"""`penstock serve`."""

from __future__ import annotations

import click

import penstock
from penstock.cli.group import Command
from penstock.cli.where import Where, here
from penstock.serving import serve as serve_project


@click.command(cls=Command)
@click.option("--host", help="Where to listen (default: [server] host of penstock.toml, 127.0.0.1).")
@click.option("--port", type=click.IntRange(0, 65535), help="0 picks a free one (default: [server] port, 8000).")
@click.option("--allow-sql-writes", is_flag=True, help="Let SQL over REST write: CREATE, DROP, ALTER, EXPORT.")
@click.pass_obj
def serve(root: Where, host: str | None, port: int | None, allow_sql_writes: bool) -> None:
    """Serve the project over HTTP until Ctrl-C: predictions, runs, SQL; documentation at /docs."""
    project = penstock.open(here(root, "serving"))
    serve_project(
        project,
        host=project.config.server.host if host is None else host,
        port=project.config.server.port if port is None else port,
        sql_writes=allow_sql_writes or project.config.server.sql_writes,
        token=project.config.server_token,
        announce=_announce,
    )


def _announce(url: str) -> None:
    click.echo(f"serving {url}  (endpoints: {url}/docs, stop: Ctrl-C)")
