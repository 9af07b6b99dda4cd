"""The operating system's word that something changed in a folder: new files are seen without looking for them."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Collection
from importlib.util import find_spec
from pathlib import Path

from penstock.errors import MissingExtraError

LOG = logging.getLogger("penstock.triggers")
_STEP_MILLISECONDS = 200  # how often the library looks whether something came, or it should stop


class FolderWatch:
    """Calls `changed` (in a thread of its own) when something changes in one of the folders, or below it."""

    def __init__(self, changed: Callable[[], None]) -> None:
        self._changed = changed
        self._folders: frozenset[Path] = frozenset()
        self._stop = threading.Event()

    def watch(self, folders: Collection[Path]) -> None:
        """Watch these folders from now on, those of them that are there; raises `MissingExtraError`."""
        there = frozenset(folder for folder in folders if folder.is_dir())
        if there == self._folders:
            return
        if find_spec("watchfiles") is None:
            raise MissingExtraError("watchfiles", extra="triggers", purpose="a trigger on new files")
        self.close()
        self._folders, self._stop = there, threading.Event()
        if there:
            threading.Thread(target=self._follow, args=(there, self._stop), name="penstock-files", daemon=True).start()

    def close(self) -> None:
        """Watch nothing any more."""
        self._stop.set()
        self._folders = frozenset()

    def _follow(self, folders: frozenset[Path], stop: threading.Event) -> None:
        from watchfiles import watch  # an extra

        self._changed()  # what came before the watching began
        try:
            for _ in watch(
                *folders, watch_filter=None, stop_event=stop, step=_STEP_MILLISECONDS, raise_interrupt=False
            ):
                self._changed()
        except OSError as error:
            LOG.warning("the system cannot watch %s: %s; new files are looked for now and then", _said(folders), error)


def _said(folders: frozenset[Path]) -> str:
    return ", ".join(sorted(map(str, folders)))
