"""A project served in a thread of this process, and opened by its address."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn

import penstock as ps
from penstock.project.looking_up import row_predictor
from penstock.serving.application import application


@contextmanager
def serving(project: ps.Project) -> Iterator[ps.RemoteProject]:
    app = application(project, lambda graph: row_predictor(graph, project.features))
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="error"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        thread.join(0.01)
    opened = ps.open(f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}")
    try:
        yield opened
    finally:
        opened.server.close()
        server.should_exit = True
        thread.join()
