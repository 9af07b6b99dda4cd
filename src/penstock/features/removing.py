"""Taking rows out of a feature set: all of an entity, or all that is old; from the history, the index, and online."""

from __future__ import annotations

import datetime
import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from penstock.errors import StorageError
from penstock.features.declared.versions import Registered
from penstock.features.history.tables import History
from penstock.features.index.keys import Numbers
from penstock.features.index.retrieval_index import FeatureIndex
from penstock.features.ingest.checking import fitted_keys
from penstock.features.ingest.dead_letters import DeadLetters
from penstock.features.online.online_store import OnlineStore
from penstock.features.online.packing import entity_prefix
from penstock.features.online.reading import bring_up, entity_keys
from penstock.features.online.window_online import has_tiles, tile_owners, window_mark, window_prefix


@dataclass(frozen=True, slots=True)
class Forgotten:
    """What was taken out: rows of histories, online records and tiles, and rows that could not be stored."""

    rows: int
    online: int
    dead_letters: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Where a feature store holds what it has of a version of a set."""

    history: Callable[[Registered], History]
    index: Callable[[Registered], FeatureIndex]
    dead_letters: DeadLetters
    folder: Path  # of indexes, one below it for each history
    online: OnlineStore


def forget(versions: Sequence[Registered], entities: pa.Table, held: Held) -> Forgotten:
    """Take every row of the entities out of every version of a set; raises `StorageError` where one is left after it.

    Their rows are gone from the files of the history, with those of its old versions that held them, so these can no
    more be read; and from the dead letters. What others made of features (training tables, models, logs) is not
    reached.
    """
    rows = online = 0
    for registered in _one_of_each_history(versions):
        if held.history(registered).version() is None:
            continue
        sequences = _sequences(held.index(registered), entities)
        if len(sequences):
            rows += held.history(registered).remove(sequences)
            shutil.rmtree(held.folder / registered.record.history, ignore_errors=True)
        left = len(_sequences(held.index(registered), entities))
        if left:
            raise StorageError(f"{left} rows of these entities came in while they were taken out; forget them again")
    for registered in versions:
        keys = entity_keys(registered, entities)
        owners = tile_owners(registered, entities)
        online += held.online.delete([*keys, *owners])
        if any(record is not None for record in held.online.get(keys)) or has_tiles(held.online, owners):
            raise StorageError(
                "online records of these entities were written while they were deleted; forget them again"
            )
    letters = held.dead_letters.forget(versions[-1].record.name, entities.select(versions[-1].definition.keys))
    return Forgotten(rows, online, letters)


def expire(versions: Sequence[Registered], before: datetime.datetime, held: Held) -> int:
    """Take out every row whose event is older than an instant; return how many. Online records are made again."""
    rows = 0
    for registered in _one_of_each_history(versions):
        if held.history(registered).version() is not None:
            rows += held.history(registered).remove_before(registered.definition.set.timestamp, before)
            shutil.rmtree(held.folder / registered.record.history, ignore_errors=True)
    for registered in versions:
        held.online.clear(entity_prefix(registered.name), mark=registered.name.encode())
        held.online.clear(window_prefix(registered.name), mark=window_mark(registered.name))
        bring_up(registered, held.index(registered), held.online)
    return rows


def _one_of_each_history(versions: Sequence[Registered]) -> list[Registered]:
    """Return the newest version of those that share a history."""
    return list({registered.record.history: registered for registered in versions}.values())


def _sequences(index: FeatureIndex, entities: pa.Table) -> Numbers:
    """Return the sequence numbers of every row of the entities."""
    columns = fitted_keys(index.definition, entities)
    found = [np.zeros(0, dtype=np.int64)]
    for segment in index.segments():
        ordinals = segment.keys.find(columns)
        found += [
            np.asarray(segment.sequences[segment.starts[ordinal] : segment.starts[ordinal + 1]])
            for ordinal in np.unique(ordinals[ordinals >= 0])
        ]
    return np.concatenate(found)
