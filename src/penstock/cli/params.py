"""The parameters of a pipeline as they come from the command line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import IO, Any, Protocol, get_args

import click
import msgspec

from penstock.errors import RequestError
from penstock.pipelines import PipelineParameter


class HasParameters(Protocol):
    """A pipeline, here or on a server."""

    @property
    def parameters(self) -> Mapping[str, PipelineParameter]:
        """The parameters by name."""
        ...


def read_params(pipeline: HasParameters, texts: Sequence[str], file: IO[bytes] | None = None) -> dict[str, Any]:
    """Return the parameters of a JSON object in a file and of texts `name=value`; a text goes before the file."""
    params: dict[str, Any] = {}
    if file is not None:
        params = read_object(file.read(), "the file of parameters")
    for text in texts:
        name, separator, value = text.partition("=")
        if not separator:
            raise click.UsageError(f"'-p {text}' has no '='; write -p name=value")
        params[name] = parse_value(value, is_text=_may_be_text(pipeline, name))
    return params


def read_tags(texts: Sequence[str], option: str = "--tag") -> dict[str, str]:
    """Return the tags of texts `name=value`; `option` is where they were written."""
    for text in texts:
        if "=" not in text:
            raise click.UsageError(f"'{f'{option} {text}'.strip()}' has no '='; write NAME=VALUE")
    return {name: value for name, _, value in (text.partition("=") for text in texts)}


def read_overrides(texts: Sequence[str]) -> dict[str, str]:
    """Return the artifacts that stand for what steps give, of texts `step=artifact`."""
    return read_tags(texts, "--override")


def read_object(text: str | bytes, what: str) -> dict[str, Any]:
    """Return the JSON object that a text is; raises `RequestError` naming `what` is none."""
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise RequestError(f"{what} is not a JSON object: {error}") from error


def _may_be_text(pipeline: HasParameters, name: str) -> bool:
    annotation = pipeline.parameters[name].annotation if name in pipeline.parameters else Any
    return str in (annotation, *get_args(annotation))


def parse_value(text: str, *, is_text: bool = False) -> Any:
    """Return a value written as JSON, or the text itself where it is none; for a text only a quoted one is JSON."""
    if is_text and not text.startswith('"'):
        return text
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text
