"""LightGBM's library called directly: its Python package takes over a second to import and 18 us a row, this 3 us."""

from __future__ import annotations

import ctypes
import functools
import importlib.util
import os
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from penstock.errors import CorruptArtifactError, MissingExtraError
from penstock.models.learning.matrix import Entries, Floats

MODEL_FILE = "trees.txt"
_WAIT_POLICY = "OMP_WAIT_POLICY"
_FLOAT64, _INT64, _ROW_MAJOR, _FROM, _ALL_TREES = 1, 3, 1, 0, -1
_NORMAL, _RAW_SCORE, _CONTRIBUTIONS = 0, 1, 3


class Booster:
    """A LightGBM model in memory, made from its text form; its memory is freed with the object.

    `predict` may be called from many threads at once: it only reads the model, and the interpreter lock is released
    while it runs.
    """

    def __init__(self, text: bytes, *, outputs: int) -> None:
        self.outputs = outputs
        self._library = _library()
        self.handle = ctypes.c_void_p()
        iterations = ctypes.c_int()
        made = self._library.LGBM_BoosterLoadModelFromString(text, ctypes.byref(iterations), ctypes.byref(self.handle))
        if made != 0:
            raise CorruptArtifactError(f"LightGBM cannot read its model: {_last_error(self._library)}")
        weakref.finalize(self, self._library.LGBM_BoosterFree, self.handle)
        averages = b"average_output" in text.partition(b"\nTree=")[0].splitlines()
        self._averaged = max(iterations.value, 1) if averages else 1  # LightGBM averages predictions, but not the rest

    def predict(self, matrix: Floats | Entries) -> Floats:
        """Return a prediction, or the probability of each class, for each row of a row-major matrix, or of one given by
        its entries: the same bits."""
        rows = len(matrix.starts) - 1 if isinstance(matrix, Entries) else len(matrix)
        return self._predicted(matrix, _NORMAL, np.empty((rows, self.outputs)))

    def scores(self, matrix: Floats) -> Floats:
        """Return what `predict` makes its numbers of: the sum of the trees, or their mean in a forest."""
        return self._predicted(matrix, _RAW_SCORE, np.empty((len(matrix), self.outputs))) / self._averaged

    def contributions(self, matrix: Floats) -> Floats:
        """Return, by TreeSHAP, what each column adds to each score of each row, and last the score that is expected
        without knowing any: (rows, outputs, columns + 1)."""
        result = np.empty((len(matrix), self.outputs, matrix.shape[1] + 1))
        return self._predicted(matrix, _CONTRIBUTIONS, result) / self._averaged

    def _predicted(self, matrix: Floats | Entries, what: int, result: Floats) -> Floats:
        if not len(result):
            return result
        common = (
            what, _FROM, _ALL_TREES, b"verbosity=-1", ctypes.byref(ctypes.c_int64()),
            ctypes.c_void_p(result.ctypes.data),
        )  # fmt: skip
        failed = self._of_entries(matrix, common) if isinstance(matrix, Entries) else self._of_cells(matrix, common)
        if failed:
            raise CorruptArtifactError(f"LightGBM cannot predict: {_last_error(self._library)}")
        return result

    def _of_cells(self, matrix: Floats, common: tuple[Any, ...]) -> int:
        matrix = np.ascontiguousarray(matrix, dtype=np.float64)
        failed: int = self._library.LGBM_BoosterPredictForMat(
            self.handle, ctypes.c_void_p(matrix.ctypes.data), _FLOAT64, *map(ctypes.c_int32, matrix.shape), _ROW_MAJOR,
            *common,
        )  # fmt: skip
        return failed

    def _of_entries(self, matrix: Entries, common: tuple[Any, ...]) -> int:
        starts, columns, values = map(
            np.ascontiguousarray, (matrix.starts, matrix.columns, matrix.values), (np.int64, np.int32, np.float64)
        )
        failed: int = self._library.LGBM_BoosterPredictForCSR(
            self.handle, ctypes.c_void_p(starts.ctypes.data), _INT64, ctypes.c_void_p(columns.ctypes.data),
            ctypes.c_void_p(values.ctypes.data), _FLOAT64, ctypes.c_int64(len(starts)), ctypes.c_int64(len(values)),
            ctypes.c_int64(matrix.width), *common,
        )  # fmt: skip
        return failed


class SingleRow:
    """LightGBM's call for one row: `function(config, packed doubles, length, outputs)` returns 0 unless it failed.

    Safe from many threads: the interpreter lock is held during the call (it is shorter than a switch of threads), and
    what a call reads and writes is its own, but for `length`, where LightGBM writes the same number each time.
    Bit-equal to `Booster.predict`. Its memory is freed with the object.
    """

    def __init__(self, booster: Booster, *, columns: int) -> None:
        self._booster = booster  # must outlive this
        self._length = ctypes.c_int64()
        config = ctypes.c_void_p()
        library = _library_under_lock()
        library.LGBM_BoosterPredictForMatSingleRowFastInit(
            booster.handle, _NORMAL, _FROM, _ALL_TREES, _FLOAT64, ctypes.c_int32(columns),
            b"num_threads=1 verbosity=-1", ctypes.byref(config),
        )  # fmt: skip
        self.function = library.LGBM_BoosterPredictForMatSingleRowFast
        self.function.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_void_p]
        self.config = config.value
        self.length = ctypes.addressof(self._length)
        self.outputs = ctypes.c_double * booster.outputs
        weakref.finalize(self, library.LGBM_FastConfigFree, config)


@functools.lru_cache(maxsize=16)
def load_booster(text: bytes, outputs: int) -> Booster:
    """Return the model of that text; the last few are kept, so that each batch need not read the text again."""
    return Booster(text, outputs=outputs)


def _path() -> str:
    found = importlib.util.find_spec("lightgbm")  # finds the package without running it
    folders = found.submodule_search_locations if found is not None else None
    for folder in folders or ():
        for path in sorted(Path(folder).glob("*/lib_lightgbm.*")) + sorted(Path(folder).glob("lib_lightgbm.*")):
            return str(path)
    raise MissingExtraError("lightgbm", extra="learners", purpose="a boosted tree model")


@contextmanager
def waiting_asleep() -> Iterator[None]:
    """Load LightGBM in here: its threads sleep while they wait for each other, where the user has not said otherwise.

    By themselves they spin, and where other processes want the cores, that takes a fit several times as long as one
    thread alone. OpenMP reads the variable when it is loaded, and never again.
    """
    if _WAIT_POLICY in os.environ:
        yield
        return
    os.environ[_WAIT_POLICY] = "passive"
    try:
        yield
    finally:
        os.environ.pop(_WAIT_POLICY, None)


@functools.cache
def _library() -> ctypes.CDLL:
    with waiting_asleep():
        library = ctypes.CDLL(_path())
    library.LGBM_GetLastError.restype = ctypes.c_char_p
    return library


@functools.cache
def _library_under_lock() -> ctypes.PyDLL:
    with waiting_asleep():
        return ctypes.PyDLL(_path())


def _last_error(library: ctypes.CDLL) -> str:
    return bytes(library.LGBM_GetLastError()).decode(errors="replace")
