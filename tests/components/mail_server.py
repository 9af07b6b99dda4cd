"""A mail server of the few commands that a client needs, in a thread of this process."""

from __future__ import annotations

import socketserver
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email import message_from_string, policy
from email.message import EmailMessage


class MailServer(socketserver.ThreadingTCPServer):
    """Keeps the letters that it gets; `busy` is how many connections it sends away first, `grey`
    how many recipients it takes only when they are named again."""

    allow_reuse_address, daemon_threads = True, True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Client)
        self.letters: list[EmailMessage] = []
        self.busy, self.grey, self.logins, self.connections = 0, 0, [], 0

    @property
    def address(self) -> str:
        return f"smtp://127.0.0.1:{self.server_address[1]}"


class _Client(socketserver.StreamRequestHandler):
    server: MailServer

    def handle(self) -> None:
        self.server.connections += 1
        if self.server.busy:
            self.server.busy -= 1
            self._say("421 no time now")
            return
        self._say("220 here")
        while line := self.rfile.readline().decode().strip():
            match line.split(" ")[0].upper():
                case "EHLO":
                    self._say("250-here\r\n250 AUTH PLAIN")
                case "AUTH":
                    self.server.logins.append(line)
                    self._say("235 known")
                case "RCPT" if self.server.grey:
                    self.server.grey -= 1
                    self._say("450 come again")
                case "RCPT" if "nobody" in line:
                    self._say("550 unknown")
                case "DATA":
                    self._say("354 go on")
                    self._read()
                    self._say("250 taken")
                case "QUIT":
                    self._say("221 bye")
                    return
                case _:
                    self._say("250 yes")

    def _read(self) -> None:
        lines = []
        while (line := self.rfile.readline().decode()) != ".\r\n":
            lines.append(line)
        self.server.letters.append(message_from_string("".join(lines), policy=policy.default))

    def _say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


@contextmanager
def mail_server() -> Iterator[MailServer]:
    with MailServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()
