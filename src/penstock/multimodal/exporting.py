"""Modules of a user's own as operators of ONNX: exported before they learn, and held to PyTorch once they have.

What they are is written down before training, so that what cannot be served is no surprise after it; their weights are
those that training came to.
"""

from __future__ import annotations

import contextlib
import io
import logging
import traceback
import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from penstock.errors import DeclarationError, MissingExtraError
from penstock.multimodal.encoders import FORMS, Weights
from penstock.multimodal.encoders.module import INPUT, OPERATORS
from penstock.multimodal.spec import Branch, Spec
from penstock.multimodal.tensors import Array
from penstock.operations.modules import imported
from penstock.operations.tensors import Recorder
from penstock.operations.tensors.onnx_file import OPSETS, Port, session, to_bytes
from penstock.operations.tensors.onnx_reading import operators_of

MODULES = ("module", "module_of_numbers")
TOLERANCE = 1e-5  # of the greatest number: what a row may differ by alone, and what ONNX Runtime may from PyTorch
_ROWS = 5
_CHECKED = 32


def exported(torch: Any, spec: Spec, encoders: Sequence[Any], samples: Sequence[Any]) -> tuple[Spec, dict[str, Array]]:
    """Return the network with what its users' own modules do, and the arrays of theirs that are not learned.

    Raises `DeclarationError`, which names the module, for one that does not give (rows, dim), gives a row something
    else alone than among others, or does what ONNX has no operators for.
    """
    branches, constants = list(spec.branches), dict[str, Array]()
    for at, branch in _own(spec):
        few = np.resize(samples[at], (_ROWS, *branch.shape))
        own = encoders[at].eval()
        with torch.no_grad(), torch.random.fork_rng(devices=[]):
            given = own.entering(torch.from_numpy(few))
            _check(torch, own.module, given, branch)
            operators, arrays = _operators(torch, own.module, given, branch.settings["source"])
        learned = own.module.state_dict()
        constants |= {f"encoders.{at}.module.{name}": each for name, each in arrays.items() if name not in learned}
        place = spec.encoded[at]
        branches[place] = msgspec.structs.replace(branch, settings={**branch.settings, OPERATORS: operators})
    return msgspec.structs.replace(spec, branches=tuple(branches)), constants


def check_exported(
    torch: Any, spec: Spec, encoders: Sequence[Any], samples: Sequence[Any], weights: Mapping[str, Array]
) -> None:
    """Raise `DeclarationError` where a module that has learned gives something else in PyTorch than what is served."""
    for at, branch in _own(spec):
        form, given = FORMS[branch.encoder or ""], samples[at][:_CHECKED]
        recorder = Recorder()
        made = form.record(
            recorder, "given", branch.settings, branch.shape, Weights(recorder, weights, f"encoders.{at}.")
        )
        port = Port(name="given", type=form.dtype, dimensions=("rows", *branch.shape))
        output = Port(name="made", type="float32", dimensions=("rows", branch.settings["dim"]))
        run = session(to_bytes(recorder, name="module", inputs=[port], outputs={output: made}, metadata={}), threads=1)
        with torch.no_grad():
            wanted = encoders[at].cpu().eval()(torch.from_numpy(given)).numpy()
        served = run.run(None, {"given": given})[0]
        alone = np.concatenate([run.run(None, {"given": given[each : each + 1]})[0] for each in range(len(given))])
        apart = max(_apart(served, wanted), _apart(alone, wanted))
        if not apart <= 10 * TOLERANCE:
            raise DeclarationError(
                f"module '{branch.settings['source']}' gives in ONNX Runtime what is up to {apart:.2g} of its greatest "
                "number from what it gives in PyTorch after training; let its forward depend on its input and its "
                "parameters alone"
            )


def _own(spec: Spec) -> Iterator[tuple[int, Branch]]:
    """Give the branches whose encoder is a user's own module, with their places among the encoders."""
    for at, place in enumerate(spec.encoded):
        if spec.branches[place].encoder in MODULES:
            yield at, spec.branches[place]


def _apart(one: Array, other: Array) -> float:
    return float(np.abs(one - other).max()) / max(float(np.abs(other).max()), 1.0)


def _check(torch: Any, module: Any, given: Any, branch: Branch) -> None:
    """Raise `DeclarationError` for a module that gives no vector of the declared width for each row by itself."""
    source, wanted = branch.settings["source"], (len(given), branch.settings["dim"])
    try:
        made = module(given)
        alone = [module(given[each : each + 1]) for each in range(len(given))]
    except Exception as error:
        raise DeclarationError(
            f"feature '{branch.name}': module '{source}' fails on a tensor of shape {tuple(given.shape)}"
            f"{_line(source, error)}: {type(error).__name__}: {error}"
        ) from error
    shape = tuple(made.shape) if isinstance(made, torch.Tensor) else type(made).__name__
    if shape != wanted:
        raise DeclarationError(
            f"feature '{branch.name}': module '{source}' gives {shape} for a tensor of shape {tuple(given.shape)}; "
            f"it has to give {wanted}: the rows, and dim={wanted[1]} numbers of each"
        )
    apart = _apart(torch.cat(alone).numpy(), made.numpy())
    if not apart <= TOLERANCE:
        raise DeclarationError(
            f"feature '{branch.name}': module '{source}' does not give a row the same alone as among others; "
            "where it predicts, a row must depend neither on other rows nor on chance"
        )


def _operators(torch: Any, module: Any, given: Any, source: str) -> tuple[dict[str, Any], dict[str, Array]]:
    try:
        import onnxscript  # noqa: F401 - what PyTorch's exporter needs and does not name
    except ImportError as error:
        raise MissingExtraError("onnxscript", extra="multimodal", purpose="a module of your own") from error
    try:
        with _quiet():
            dynamic = ({0: torch.export.Dim.DYNAMIC},)
            program = torch.export.export(module, (given,), dynamic_shapes=dynamic, strict=False)
            file = torch.onnx.export(
                program, (given,), dynamo=True, input_names=[INPUT], opset_version=OPSETS[""], optimize=False,
                verbose=False,
            )  # fmt: skip
        return operators_of(file.model_proto, module.state_dict())
    except Exception as error:
        raise DeclarationError(
            f"module '{source}' cannot be served: ONNX has no form of what it does{_line(source, error)}: "
            f"{_innermost(error)}"
        ) from error


def _innermost(error: BaseException) -> str:
    """Return the first line of what went wrong first."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _line(source: str, error: BaseException) -> str:
    """Return the line of the user's file at which it went wrong, if it is known."""
    code = getattr(imported(source), "forward", None)
    file = getattr(getattr(code, "__code__", None), "co_filename", None)
    inside = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename == file]
    return f", in line {inside[-1].lineno} ({inside[-1].line})" if inside else ""


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Let PyTorch's exporter print nothing: it tells of libraries that nobody asked for, and of how far it came."""
    before = logging.root.manager.disable
    logging.disable(logging.ERROR)
    try:
        unheard = io.StringIO()
        with warnings.catch_warnings(), contextlib.redirect_stderr(unheard), contextlib.redirect_stdout(unheard):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
