"""Where searches keep their trials: Optuna's tables, beside ours in the project's metadata database.

Its tables (`studies`, `trials`, `trial_params`, ...) and the number of its schema (`alembic_version`) have other names
than ours, which a test holds; each side migrates its own.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from penstock.errors import StorageError
from penstock.stores.database import close_before_forks, driver_connection
from penstock.stores.locking import StoreLock


@dataclass(frozen=True, slots=True, kw_only=True)
class StudyStorage:
    """Optuna's storage, and the lock that a search holds while it looks at trials and changes them by what it saw.

    Optuna reads, decides and writes in statements of their own, which on a server a row's lock keeps together. SQLite
    has none: two processes would both take the trial that waits, or make the same tables.
    """

    optuna: Any
    alone: Callable[[], AbstractContextManager[None]]


def open_studies(url: str, optuna: Any) -> StudyStorage:
    """Return Optuna's storage in the database at `url`; one in memory where the records are in memory too.

    Raises `StorageError` where it cannot be opened.
    """
    parsed = sa.make_url(url)
    if not parsed.database or parsed.database == ":memory:":
        return StudyStorage(optuna=optuna.storages.InMemoryStorage(), alone=nullcontext)
    alone = StoreLock(Path(parsed.database).parent, "studies.lock").alone
    given = {"creator": functools.partial(driver_connection, parsed.database)}
    try:
        with alone():
            storage = optuna.storages.RDBStorage(url, engine_kwargs=given)
    except (sa.exc.DatabaseError, optuna.exceptions.StorageInternalError, RuntimeError) as error:
        # RuntimeError: the tables are of another version of Optuna, which says how to bring them to its own.
        raise StorageError(f"the trials of a search cannot be kept in the metadata store: {error}") from error
    close_before_forks(storage.engine)
    return StudyStorage(optuna=storage, alone=alone)
