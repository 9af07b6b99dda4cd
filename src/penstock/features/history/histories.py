"""Where the histories of feature sets are: a folder, or a bucket of S3, with whose credentials."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import parse_qsl

from penstock.errors import DeclarationError
from penstock.features.history.commits import CommitLog
from penstock.features.history.tables import History
from penstock.secrets import Secret, without_password

KEY, SECRET_KEY, SESSION = "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"
_BUCKET = re.compile(r"s3://([a-z0-9][a-z0-9.-]+[a-z0-9])((?:/[A-Za-z0-9._=-]+)*)/?(?:\?(.*))?")
_FORM = 'history = "s3://bucket/prefix?region=eu-west-1" in [stores]'
_OPTIONS = ("endpoint", "region")


@dataclass(frozen=True, slots=True)
class Histories:
    """The place of a project's histories: a folder, or `s3://bucket/prefix`, behind which `?endpoint=` and `region=`
    may stand. `secrets` are the files of secrets by name; what opens a bucket is looked for each time, since it may
    change. There is no secret in `address`."""

    address: str
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    _logs: dict[str, CommitLog] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        if "://" in self.address:
            _parts(self.address)

    def open(self, name: str) -> History:
        """Return the history of this name; it is made with its first rows."""
        if "://" not in self.address:
            return History(f"{self.address}/{name}")
        root, asked = _parts(self.address)
        log = self._logs.setdefault(name, CommitLog(f"{root}/{name}", lambda: _options(asked, self.secrets)))
        return History(log.uri, log)


def _parts(address: str) -> tuple[str, dict[str, str]]:
    """Return a bucket's address without its parameters, and these."""
    found = _BUCKET.fullmatch(address)
    if found is None:
        raise DeclarationError(f"{_FORM} is how a bucket is named; '{without_password(address)}' is {_wrong(address)}")
    bucket, prefix, query = found.groups()
    asked = dict(parse_qsl(query or "", keep_blank_values=True))
    odd = [name for name in asked if name not in _OPTIONS]
    if odd:
        raise DeclarationError(
            f"history in [stores] has {', '.join(odd)} behind '?', where {' and '.join(_OPTIONS)} may stand. "
            f"Credentials are the secrets {KEY} and {SECRET_KEY}: variables, or entries of a file of [secrets]"
        )
    if "endpoint" in asked and not asked["endpoint"].startswith(("http://", "https://")):
        raise DeclarationError(
            f"endpoint={asked['endpoint']} of history in [stores]: begin it with https:// or http://"
        )
    return f"s3://{bucket}{prefix}", asked


def _wrong(address: str) -> str:
    scheme, _, rest = address.partition("://")
    if scheme != "s3":
        return "neither a folder's path nor a bucket of S3, or of what speaks as S3 does"
    if "@" in rest.partition("/")[0]:
        return f"one with credentials: they are the secrets {KEY} and {SECRET_KEY}, and do not belong here"
    return "none: a bucket has lower case letters, digits, '.' and '-', what is behind it letters, digits and ._=-"


def _options(asked: Mapping[str, str], secrets: Mapping[str, str]) -> dict[str, str]:
    """Return what delta-rs is to know beside the environment, which it reads itself."""
    endpoint = asked.get("endpoint") or os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL")
    options = {"aws_conditional_put": "etag"}  # a version of the log is written if it is not there, in one step
    if endpoint:
        options |= {"AWS_ENDPOINT_URL": endpoint, "AWS_ALLOW_HTTP": str(endpoint.startswith("http://")).lower()}
    if "region" in asked:
        options["AWS_REGION"] = asked["region"]
    found = {name: Secret(name).find(secrets) for name in (KEY, SECRET_KEY, SESSION)}
    if (found[KEY] is None) != (found[SECRET_KEY] is None):
        raise DeclarationError(Secret(KEY if found[KEY] is None else SECRET_KEY).missing(secrets))
    return options | {name: value for name, value in found.items() if value is not None}
