"""The server's process: its socket, its signals, its last words."""

from __future__ import annotations

import errno
import ipaddress
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from types import FrameType

from penstock.core.graph import ModelGraph
from penstock.errors import ConflictError, DeclarationError, MissingExtraError
from penstock.serving.service import RowPredictor, Service

_GRACE_SECONDS = 5
_KEEP_ALIVE_SECONDS = 75  # a client that thinks between two requests keeps its connection, as behind nginx
_BACKLOG = 2048  # connections that wait, also while models are loaded


def serve(
    project: Service,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    sql_writes: bool = False,
    token: str = "",
    announce: Callable[[str], None] = print,
) -> None:
    """Serve a project until SIGINT or SIGTERM; requests under way are answered first.

    `announce` gets the server's URL once it takes connections; port 0 picks a free one. Raises `ConflictError` when the
    port is taken. Without `sql_writes` only queries may come over REST; without `token` the server listens on this
    machine only, since whoever reaches it may run pipelines.
    """
    for package in ("uvicorn", "starlette", "httptools", "python_multipart"):
        if find_spec(package) is None:
            raise MissingExtraError(package, extra="serve", purpose="serving")
    # Here, not above, because these packages may not be installed.
    import uvicorn

    from penstock.project.looking_up import row_predictor
    from penstock.serving.application import application
    from penstock.serving.protocol import protocol
    from penstock.serving.state import Limits

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.getLogger("watchfiles").setLevel(logging.WARNING)  # each change of a file is no news

    def make(graph: ModelGraph) -> RowPredictor:
        return row_predictor(graph, project.features, now=project.config.server.features_instant)

    section = project.config.server
    limits = Limits(sql_writes=sql_writes, body_bytes=section.body_size_bytes, image_pixels=section.image_pixels)
    served = application(project, make, limits=limits, token=token)
    config = uvicorn.Config(
        served,
        http=protocol(served.at_once),
        access_log=False,
        log_config=None,
        log_level=logging.WARNING,
        server_header=False,
        timeout_graceful_shutdown=_GRACE_SECONDS,
        timeout_keep_alive=_KEEP_ALIVE_SECONDS,
    )
    server = uvicorn.Server(config)
    with _listening(host, port, open_to_all=not token) as listener, _stopped_by_signals(server.handle_exit):
        announce(_url(host, listener.getsockname()[1]))
        server.run(sockets=[listener])


def _listening(host: str, port: int, *, open_to_all: bool) -> socket.socket:
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        if open_to_all and not ipaddress.ip_address(address[0]).is_loopback:
            raise DeclarationError(
                f"at host '{host}' other machines reach this server, and whoever reaches it may run pipelines; set a "
                "token (PENSTOCK_SERVER_TOKEN, or token or token_file in [server] of penstock.toml), or listen at "
                "127.0.0.1"
            )
        return socket.create_server(address[:2], family=family, backlog=_BACKLOG)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            message = f"port {port} of {host} is taken; choose another, or 0 for any that is free"
            raise ConflictError(message) from error
        raise DeclarationError(f"cannot listen at host '{host}', port {port}: {error.strerror or error}") from error


def _url(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


@contextmanager
def _stopped_by_signals(stop: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Have uvicorn stop at SIGINT and SIGTERM, also at one that comes before it listens to them itself, and without the
    process dying of them: after its own shutdown it raises the signal again."""
    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
