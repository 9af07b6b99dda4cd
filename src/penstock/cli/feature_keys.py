"""The keys of entities on the command line: `--key driver_id=7`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import click
import msgspec

from penstock.core.schema import SCALAR_TYPES
from penstock.errors import DataError, UnknownNameError


def read_keys(texts: Sequence[str], types: Mapping[str, str]) -> dict[str, list[Any]]:
    """Return the values of texts `name=value` as lists by name, each in the type of its key; the first values of all
    names tell one entity, the second ones another."""
    if not texts:
        raise click.UsageError(f"which entity? Give --key {next(iter(types))}=VALUE; the keys are {', '.join(types)}")
    found: defaultdict[str, list[Any]] = defaultdict(list)
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator:
            raise click.UsageError(f"'--key {text}' has no '='; write --key name=value")
        if name not in types:
            raise UnknownNameError("key", name, types)
        found[name].append(_typed(name, value, types[name]))
    return dict(found)


def _typed(name: str, text: str, type: str) -> Any:
    try:
        if type in SCALAR_TYPES:
            return msgspec.convert(text, SCALAR_TYPES[type], strict=False)
        return msgspec.json.decode(text)
    except (msgspec.ValidationError, msgspec.DecodeError) as error:
        raise DataError(f"the key '{name}' is {type}, and '{text}' is none", field=name) from error
