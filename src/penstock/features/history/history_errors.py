"""What is wrong where a history can be neither read nor written, in words: which place, why, and what to do."""

from __future__ import annotations

import re

_COLOURS = re.compile("\x1b\\[[0-9;]*m")
_CREDENTIALS = (
    "Give credentials that may read and write it in the secrets AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: "
    "variables, or entries of a file of [secrets]"
)
_REFUSALS = ("AccessDenied", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken")
_REGIONS = ("AuthorizationHeaderMalformed", "PermanentRedirect", "IllegalLocationConstraintException")


def explained(error: BaseException, uri: str, done: str) -> str:
    """Return why a history cannot be `done`: read, written."""
    lines = [line.strip(" ↳\t") for line in _COLOURS.sub("", str(error)).splitlines()]
    text = ": ".join(line for line in lines if line)
    cannot = f"the history '{uri}' cannot be {done}"
    if not uri.startswith("s3://"):
        return f"{cannot}: {text}"
    bucket = uri.split("/")[2]
    server = _found(r"(https?://[^/\s]+)/", text) or "S3"
    code, message = _found("<Code>([^<]*)", text), _found("<Message>([^<]*)", text)
    if code == "NoSuchBucket":
        return f"{cannot}: there is no bucket '{bucket}' at {server}. Make it, or name another as `history` in [stores]"
    if code in _REGIONS:
        return f"{cannot}: {code}: {message} Name the bucket's region: {bucket}/...?region=eu-west-1"
    if code in _REFUSALS or "403 Forbidden" in text:
        return f"{cannot}: {server} refuses: {code or '403 Forbidden'}. {message} {_CREDENTIALS}"
    if "/latest/api/token" in text or "/latest/meta-data" in text or "CredentialsNotLoaded" in text:
        return f"{cannot}: there are no credentials for the bucket '{bucket}'. {_CREDENTIALS}"
    if "error sending request" in text:
        why = text.rpartition(": ")[2]
        return f"{cannot}: {server} does not answer: {why}. Start it, or name another endpoint: {bucket}/...?endpoint="
    return f"{cannot}: {f'{server} says {code}: {message}' if code else text}"


def _found(pattern: str, text: str) -> str:
    found = re.search(pattern, text)
    return found.group(1) if found else ""
