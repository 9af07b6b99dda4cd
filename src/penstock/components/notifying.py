"""The component that tells somebody: notify, by a webhook or by e-mail."""

from __future__ import annotations

import email.utils
import http.client
import ipaddress
import smtplib
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from email.message import EmailMessage
from typing import Any
from urllib.parse import urlsplit

import msgspec

from penstock.core.ports import Context
from penstock.core.units import seconds
from penstock.errors import DeclarationError, RunError
from penstock.pipelines import step
from penstock.secrets import Secret

_PORTS = {"smtp": 25, "smtps": 465}
_AGAIN = frozenset({408, 425, 429})  # answers after which the same request may succeed
_ELSEWHERE = frozenset({301, 302, 303, 307, 308})


@step(cache=False, network=True)
def notify(
    message: str,
    *,
    webhook: str | Secret | None = None,
    email: str | list[str] | None = None,
    about: Any = None,
    subject: str = "",
    smtp: str = "smtp://localhost",
    sender: str = "penstock@localhost",
    user: str = "",
    password: Secret | None = None,
    retries: int = 3,
    retry_delay: float | str = "1s",
    timeout: float | str = "10s",
    context: Context | None = None,
) -> dict[str, Any]:
    """Tell somebody: POST to a webhook as JSON, or send an e-mail, or both.

        ps.notify("flights were pushed", webhook=ps.secret("SLACK_URL"), about=report, when=pushed["version"] > 0)

    The JSON has `text` (which Slack, Mattermost and Teams show), `run`, `step` and `about`, and the header
    `Idempotency-Key` is the same for each try. `smtp` is `smtp://host:port`, with STARTTLS where the server offers it,
    or `smtps://host`; a password goes only over TLS. What fails is tried again `retries` times, after `retry_delay`,
    then twice as long, and so on; a webhook that refuses (4xx), or sends elsewhere, is not. It runs in every run.
    `about` may be anything that a step gives: it comes after that. To tell of a run that failed, run it by a trigger:
    `ps.on(ps.run_finished(flights, state="failed"), tell, params={"run": ps.event_data("run")})`.
    """
    if webhook is None and not email:
        raise DeclarationError("notify: nobody is told; give webhook=... or email=...")
    run, name = (context.run, context.step) if context is not None else ("", "notify")
    limit, wait = seconds(timeout, "timeout of notify"), seconds(retry_delay, "retry_delay of notify")
    told: dict[str, Any] = {}
    if webhook is not None:
        url = webhook.get() if isinstance(webhook, Secret) else webhook
        body = msgspec.json.encode({"text": message, "run": run, "step": name, "about": about}, enc_hook=repr)
        shown = f"the webhook at {urlsplit(url).hostname}"
        told["webhook"] = _tried(lambda: _posted(url, body, f"{run}/{name}", limit), shown, retries, wait)
    if email:
        addresses = [email] if isinstance(email, str) else list(email)
        letter = _letter(message, subject, sender, addresses, about, run)
        secret = "" if password is None else password.get()
        told["email"] = _tried(
            lambda: _sent(letter, smtp, user, secret, limit),
            f"the mail server {urlsplit(smtp).hostname}",
            retries,
            wait,
        )
    return {"message": message, "run": run, **told}


class _Passing(Exception):
    """What may be over when it is tried again."""


def _tried(attempt: Callable[[], str], what: str, retries: int, wait: float) -> dict[str, Any]:
    """Return how it went, after how many tries; raises `RunError` with the last answer."""
    for number in range(1, retries + 2):
        try:
            said = attempt()
        except _Passing as error:
            if number > retries:
                raise RunError(f"notify: {what} could not be told in {number} tries: {error}") from error
            print(f"{what}, try {number}: {error}; again in {wait:g} s", flush=True)
            time.sleep(wait)
            wait *= 2
        else:
            print(f"told {what}: {said}")
            return {"answer": said, "tries": number}
    raise AssertionError("the last try returns or raises")


def _posted(url: str, body: bytes, key: str, limit: float) -> str:
    if urlsplit(url).scheme not in ("http", "https"):
        raise DeclarationError("notify: the webhook is no address of HTTP; give https://host/path")
    headers = {"content-type": "application/json", "idempotency-key": key}
    request = urllib.request.Request(url, data=body, headers=headers, method="POST")  # noqa: S310  # checked above
    try:
        with urllib.request.build_opener(_NoRedirects).open(request, timeout=limit) as answer:
            return str(answer.status)
    except urllib.error.HTTPError as error:
        said = f"{error.code} {error.reason}"
        if error.code in _ELSEWHERE:
            said += ", it sends elsewhere; give the address that it has now"
        error.close()
        if error.code in _AGAIN or error.code >= http.client.INTERNAL_SERVER_ERROR:
            raise _Passing(said) from error
        raise RunError(f"notify: the webhook at {urlsplit(url).hostname} refuses: {said}") from error
    except (OSError, http.client.HTTPException) as error:
        raise _Passing(str(error)) from error


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """What is posted to an address that redirects would arrive as a GET, without what is told."""

    def redirect_request(self, *_: Any) -> None:
        """Follow none."""
        return


def _letter(message: str, subject: str, sender: str, to: list[str], about: Any, run: str) -> EmailMessage:
    letter = EmailMessage()
    letter["Subject"] = subject or message.partition("\n")[0][:120]
    letter["From"], letter["To"] = sender, ", ".join(to)
    letter["Date"], letter["Message-ID"] = email.utils.formatdate(), email.utils.make_msgid(domain="penstock")
    told = "" if about is None else f"\n\n{msgspec.json.format(msgspec.json.encode(about, enc_hook=repr)).decode()}"
    letter.set_content(f"{message}{f'{chr(10) * 2}run {run}' if run else ''}{told}\n")
    return letter


def _sent(letter: EmailMessage, address: str, user: str, password: str, limit: float) -> str:
    parts = urlsplit(address)
    if parts.scheme not in _PORTS or parts.hostname is None:
        raise DeclarationError(f"notify: smtp='{address}' is no address of a mail server; give smtp://host:port")
    port, tls = parts.port or _PORTS[parts.scheme], ssl.create_default_context()
    try:
        with _connected(parts.scheme, parts.hostname, port, tls, limit) as server:
            server.ehlo()
            if parts.scheme == "smtp" and server.has_extn("starttls"):
                server.starttls(context=tls)
                server.ehlo()
            elif parts.scheme == "smtp" and password and not _is_here(parts.hostname):
                raise DeclarationError(
                    f"notify: the mail server {parts.hostname} offers no TLS, and the password would go in the clear; "
                    "give smtps://... or a server with STARTTLS"
                )
            if password:
                server.login(user, password)
            refused = server.send_message(letter)
    except smtplib.SMTPResponseException as error:
        said = f"{error.smtp_code} {error.smtp_error!r}"
        if error.smtp_code < 500:  # 4xx: a server that has no time now
            raise _Passing(said) from error
        raise RunError(f"notify: the mail server {parts.hostname} refuses: {said}") from error
    except smtplib.SMTPRecipientsRefused as error:
        if all(code < 500 for code, _ in error.recipients.values()):  # greylisting: the second try is taken
            raise _Passing(str(error.recipients)) from error
        raise RunError(
            f"notify: the mail server {parts.hostname} takes no mail for {', '.join(error.recipients)}"
        ) from error
    except OSError as error:
        raise _Passing(str(error)) from error
    return f"sent to {letter['To']}" + (f", refused {', '.join(refused)}" if refused else "")


def _connected(scheme: str, host: str, port: int, tls: ssl.SSLContext, limit: float) -> smtplib.SMTP:
    if scheme == "smtps":
        return smtplib.SMTP_SSL(host, port, timeout=limit, context=tls)
    return smtplib.SMTP(host, port, timeout=limit)


def _is_here(host: str) -> bool:
    """Tell whether a host is this machine: what goes there does not leave it."""
    try:
        return ipaddress.ip_address(socket.gethostbyname(host)).is_loopback
    except OSError:
        return False
