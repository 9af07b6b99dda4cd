"""Running a few lines in processes of their own, for tests of what happens between processes."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from typing import Any

_PATIENCE_SECONDS = 60


def in_processes(function: Callable[..., Any], arguments: Sequence[tuple[Any, ...]]) -> list[Any]:
    """Call `function` once in a forked process for each tuple of arguments, all at once; return what they returned.

    An exception comes back as its `repr`.
    """
    context = multiprocessing.get_context("fork")
    start = context.Barrier(len(arguments))
    processes, readers = [], []
    for each in arguments:
        reader, writer = context.Pipe(duplex=False)
        process = context.Process(target=_call, args=(function, each, start, writer), daemon=True)
        process.start()
        writer.close()
        processes.append(process)
        readers.append(reader)
    results = [reader.recv() for reader in readers if reader.poll(_PATIENCE_SECONDS)]
    for process, reader in zip(processes, readers, strict=True):
        process.join(_PATIENCE_SECONDS)
        process.close()
        reader.close()
    return results


def _call(function: Callable[..., Any], arguments: tuple[Any, ...], start: Any, writer: Connection) -> None:
    start.wait(_PATIENCE_SECONDS)
    try:
        writer.send(function(*arguments))
    except Exception as error:  # it belongs to the test that reads it
        writer.send(repr(error))


def killed_while(function: Callable[..., Any], *arguments: Any) -> None:
    """Start `function` in a forked process and kill that process (SIGKILL) as it begins."""
    context = multiprocessing.get_context("fork")
    begun = context.Event()
    process = context.Process(target=_begin, args=(begun, function, arguments), daemon=True)
    process.start()
    begun.wait(_PATIENCE_SECONDS)
    process.kill()
    process.join(_PATIENCE_SECONDS)
    process.close()


def _begin(begun: Any, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    begun.set()
    function(*arguments)


def killed_after(seconds: float, function: Callable[..., Any], *arguments: Any) -> None:
    """Start `function` in a forked process and kill that process (SIGKILL) so long after it began, if it still runs."""
    context = multiprocessing.get_context("fork")
    begun = context.Event()
    process = context.Process(target=_begin, args=(begun, function, arguments), daemon=True)
    process.start()
    begun.wait(_PATIENCE_SECONDS)
    process.join(seconds)
    process.kill()
    process.join(_PATIENCE_SECONDS)
    process.close()
