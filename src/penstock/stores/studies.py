"""Where searches keep their trials: Optuna's tables, beside ours in the project's metadata database.

Its tables (`studies`, `trials`, `trial_params`, ...) and the number of its schema (`alembic_version`) have other names
than ours, which a test holds; each side migrates its own.
"""

from __future__ import annotations

import functools
import time
from typing import Any

import sqlalchemy as sa

from penstock.errors import StorageError
from penstock.stores.database import close_before_forks, driver_connection

_TRIES = 20


def open_studies(url: str, optuna: Any) -> Any:
    """Return Optuna's storage in the database at `url`; one in memory where the records are in memory too.

    Raises `StorageError` where it cannot be opened.
    """
    parsed = sa.make_url(url)
    if not parsed.database or parsed.database == ":memory:":
        return optuna.storages.InMemoryStorage()
    given: dict[str, Any] = {}
    if parsed.get_backend_name() == "sqlite":
        given = {"creator": functools.partial(driver_connection, parsed.database)}
    for attempt in range(_TRIES):
        try:
            storage = optuna.storages.RDBStorage(url, engine_kwargs=given)
        except sa.exc.DatabaseError as error:
            passing = isinstance(error, sa.exc.OperationalError | sa.exc.IntegrityError | sa.exc.ProgrammingError)
            if not passing or attempt == _TRIES - 1:  # another process that makes the tables is done long before
                raise StorageError(f"the trials of a search cannot be kept in the metadata store: {error}") from error
            time.sleep(0.05)
        else:
            close_before_forks(storage.engine)
            return storage
    raise AssertionError
