"""The query parameters of a request: only those that its endpoint knows, and one way to page through a list."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from starlette.requests import Request

from penstock.core.ports import MetadataStore
from penstock.core.run import Record
from penstock.errors import RequestError, UnknownNameError

R = TypeVar("R", bound=Record)

MOST = 1000
"""The most records of one page."""
_FEW = 50


def parameters(request: Request, *known: str) -> dict[str, str]:
    """Return the query parameters; raises `RequestError` for one that the endpoint does not know."""
    given = dict(request.query_params)
    for name in given:
        if name not in known:
            there = ", ".join(known) or "none"
            raise RequestError(f"{request.url.path} takes no query parameter '{name}'; there are: {there}")
    return given


def needed(given: dict[str, str], name: str) -> str:
    """Return a query parameter that has to be there."""
    if not given.get(name):
        raise RequestError(f"give the query parameter '{name}'")
    return given[name]


def wants_stages(given: Mapping[str, str]) -> bool:
    """Tell whether a request asks for what the stages of a cascade have predicted: `?stages=true`."""
    said = given.get("stages", "false")
    if said not in ("true", "false"):
        raise RequestError(f"stages is '{said}'; give stages=true, or leave it out")
    return said == "true"


def page(
    request: Request,
    metadata: MetadataStore,
    kind: type[R],
    *filters: str,
    identity: Callable[[R], str],
    keep: Callable[[R], bool] | None = None,
) -> tuple[list[R], str | None]:
    """Return the newest records that a request asks for, and where the next page begins (None: there is none).

    `limit` says how many, `after` is the identity of the last record of the page before; a filter may be given several
    times: any of its values. `keep` looks at what no filter can.
    """
    given = {name: request.query_params[name] for name in request.query_params}
    limit, after = whole_number(given, "limit", _FEW), None
    if limit > MOST:
        raise RequestError(f"limit is {limit}; one page has at most {MOST}: go on with after=<the last of a page>")
    if name := given.get("after"):
        after = metadata.get(kind, name)
        if after is None:
            raise UnknownNameError(kind.__name__.lower(), name, ())
    equal: dict[str, Any] = {each: request.query_params.getlist(each) for each in filters if each in given}
    found: list[R] = []
    while len(found) <= limit:
        some = metadata.find(kind, limit=limit + 1, newest_first=True, after=after, **equal)
        found += some if keep is None else filter(keep, some)
        if len(some) <= limit:
            break
        after = some[-1]
    shown = found[:limit]
    return shown, identity(shown[-1]) if shown and len(found) > limit else None


def whole_number(given: Mapping[str, str], name: str, default: int) -> int:
    """Return a query parameter that counts something."""
    text = given.get(name, str(default))
    if not (text.isascii() and text.isdecimal() and len(text) < 16):
        raise RequestError(f"{name} is '{text}'; give a whole number")
    return int(text)
