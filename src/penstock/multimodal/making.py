"""A PyTorch module of a user's own, made: the class found, its arguments given."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from penstock.errors import DeclarationError
from penstock.operations.modules import arguments_of, imported


def made(torch: Any, settings: Mapping[str, Any]) -> Any:
    """Return the module that settings tell of; raises `DeclarationError` where its class makes none of them."""
    source, arguments = settings["source"], arguments_of(settings["arguments"])
    cls = imported(source)
    if "dim" in inspect.signature(cls).parameters:
        arguments["dim"] = settings["dim"]
    given = ", ".join(f"{name}={value!r}" for name, value in arguments.items())
    try:
        module = cls(**arguments)
    except Exception as error:
        raise DeclarationError(
            f"module '{source}' cannot be made by {cls.__name__}({given}): {type(error).__name__}: {error}"
        ) from error
    if not isinstance(module, torch.nn.Module):
        raise DeclarationError(f"module '{source}' is a {type(module).__name__}; it has to be a torch.nn.Module")
    return module
