"""Somebody is told: by a webhook and by e-mail, from real servers in threads; what fails is tried again."""

from __future__ import annotations

import json
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

import penstock as ps
from penstock.errors import DeclarationError, RunError

sys.path.insert(0, str(Path(__file__).parent))
from mail_server import mail_server


class Hook(HTTPServer):
    """Keeps what is posted; answers by `statuses`, the last one for ever."""

    def __init__(self, *statuses: int) -> None:
        super().__init__(("127.0.0.1", 0), _Hooked)
        self.statuses, self.got, self.keys = list(statuses), [], []
        self.url = f"http://127.0.0.1:{self.server_port}/secret-path"


class _Hooked(BaseHTTPRequestHandler):
    server: Hook

    def do_POST(self) -> None:
        self.server.got.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
        self.server.keys.append(self.headers["idempotency-key"])
        self.send_response(self.server.statuses.pop(0) if len(self.server.statuses) > 1 else self.server.statuses[0])
        self.send_header("content-length", "0")
        self.send_header("location", f"http://127.0.0.1:{self.server.server_port}/moved")
        self.end_headers()

    def do_GET(self) -> None:
        """Answer as a page does to which somebody was redirected."""
        self.send_response(200)
        self.send_header("content-length", "0")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@contextmanager
def hook(*statuses: int) -> Iterator[Hook]:
    with Hook(*statuses) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@ps.step
def found(x: int) -> dict:
    return {"x": x}


@ps.pipeline
def telling(x: int = 1, smtp: str = ""):
    about = found(x)
    ps.notify("done: it is there", webhook=ps.secret("HOOK"), about=about, email="ann@example.org", smtp=smtp)


def test_a_run_tells_by_webhook_and_mail_in_every_run_and_keeps_the_address_to_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    project = ps.open(tmp_path)
    with hook(200) as web, mail_server() as mail:
        monkeypatch.setenv("HOOK", web.url)
        run = project.run(telling, smtp=mail.address, engine="inline")
        assert run.state == "succeeded", run.steps["notify"].record.error
        again = project.run(telling, smtp=mail.address, engine="inline")
    assert [each["run"] for each in web.got] == [run.id, again.id]
    assert web.got[0] == {"text": "done: it is there", "run": run.id, "step": "notify", "about": {"x": 1}}
    assert web.keys == [f"{run.id}/notify", f"{again.id}/notify"]
    letter = mail.letters[0]
    assert (letter["To"], letter["Subject"]) == ("ann@example.org", "done: it is there")
    assert f"run {run.id}" in letter.get_content()
    assert '"x": 1' in letter.get_content()
    assert "secret-path" not in run.steps["notify"].log()
    assert run.artifact("notify").load()["webhook"] == {"answer": "200", "tries": 1}


def test_what_fails_is_tried_again_with_the_same_key_and_what_is_refused_is_not():
    with hook(503, 429, 204) as web:
        told = ps.notify("hello", webhook=web.url, retry_delay=0.01)
        assert told["webhook"] == {"answer": "204", "tries": 3}
        assert len(set(web.keys)) == 1
    with hook(404) as web:
        with pytest.raises(RunError, match=r"the webhook at 127\.0\.0\.1 refuses: 404 Not Found"):
            ps.notify("hello", webhook=web.url)
        assert len(web.got) == 1
    with pytest.raises(RunError, match=r"could not be told in 3 tries: .*refused"):
        ps.notify("hello", webhook=web.url, retries=2, retry_delay=0.01)


def test_a_mail_server_that_is_busy_is_asked_again_and_one_that_refuses_is_not(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("MAIL_PASSWORD", "open sesame")
    with mail_server() as mail:
        mail.busy = 2
        told = ps.notify(
            "hello", email=["a@example.org", "b@example.org"], smtp=mail.address, retry_delay=0.01, user="me",
            password=ps.secret("MAIL_PASSWORD"), subject="News",
        )  # fmt: skip
        assert told["email"] == {"answer": "sent to a@example.org, b@example.org", "tries": 3}
        assert mail.letters[0]["Subject"] == "News"
        assert len(mail.logins) == 1
        with pytest.raises(RunError, match=r"takes no mail for nobody@example\.org"):
            ps.notify("hello", email="nobody@example.org", smtp=mail.address)


def test_what_makes_no_sense_is_refused():
    with pytest.raises(DeclarationError, match="nobody is told"):
        ps.notify("hello")
    with pytest.raises(DeclarationError, match="no address of HTTP"):
        ps.notify("hello", webhook="file:///etc/passwd")
    with pytest.raises(DeclarationError, match="no address of a mail server"):
        ps.notify("hello", email="a@example.org", smtp="localhost:25")


WATCHED = """
import penstock as ps


@ps.step
def broken(x: int) -> int:
    raise ValueError(f"{x} is too much")


@ps.pipeline
def breaking(x: int = 7):
    broken(x)


@ps.pipeline
def telling(run: str, state: str, error: str):
    ps.notify(f"run {run} {state}: {error}", webhook=ps.secret("HOOK"))


told = ps.on(
    ps.run_finished(breaking, state="failed"), telling,
    params={name: ps.event_data(name) for name in ("run", "state", "error")},
)
"""


def test_of_a_run_that_failed_a_trigger_tells(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "penstock.toml").write_text('[engine]\ndefault = "inline"\n')
    (tmp_path / "pipelines.py").write_text(WATCHED)
    project = ps.open(tmp_path)
    project.triggers.bring_in_step()
    with hook(200) as web, project.triggers.watch() as monitor:
        monkeypatch.setenv("HOOK", web.url)
        monitor.start()
        failed = project.run("breaking")
        assert failed.state == "failed"
        until = time.monotonic() + 60
        while not web.got and time.monotonic() < until:
            time.sleep(0.05)
        assert [each["text"] for each in web.got] == [f"run {failed.id} failed: {failed.record.error}"]
        firing = project.triggers["told"].history[0]
        assert project.get_run(firing.run).wait(30).cause["trigger"] == "told"


@pytest.mark.parametrize("status", [301, 302, 307])
def test_a_webhook_that_has_moved_is_not_taken_for_told(status: int):
    with hook(status) as web, pytest.raises(RunError, match=f"refuses: {status} .*, it sends elsewhere"):
        ps.notify("here?", webhook=web.url, retry_delay="10ms")


def test_a_mail_server_that_wants_to_be_asked_twice_is():
    with mail_server() as mail:
        mail.grey = 1
        told = ps.notify("twice", email="ann@example.org", smtp=mail.address, retry_delay="10ms")
    assert told["email"]["tries"] == 2
    assert len(mail.letters) == 1
