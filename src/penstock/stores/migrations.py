"""The tables of the metadata store, version by version: numbered, applied in order, each exactly once."""

from __future__ import annotations

import time

import sqlalchemy as sa

from penstock.errors import StorageError

MIGRATIONS: tuple[tuple[int, tuple[str, ...]], ...] = (
    (
        1,
        (
            """CREATE TABLE runs (
                id TEXT NOT NULL PRIMARY KEY, pipeline TEXT NOT NULL, state TEXT NOT NULL, params TEXT NOT NULL,
                experiment TEXT NOT NULL, mode TEXT NOT NULL, engine TEXT NOT NULL, cause TEXT NOT NULL,
                created DOUBLE PRECISION NOT NULL, ended DOUBLE PRECISION, error TEXT NOT NULL, pid BIGINT)""",
            "CREATE INDEX runs_by_creation ON runs (created)",
            """CREATE TABLE step_runs (
                run TEXT NOT NULL, step TEXT NOT NULL, position BIGINT NOT NULL, state TEXT NOT NULL, key TEXT NOT NULL,
                parts TEXT NOT NULL, reason TEXT NOT NULL, artifacts TEXT NOT NULL, inputs TEXT NOT NULL,
                attempts BIGINT NOT NULL, started DOUBLE PRECISION, ended DOUBLE PRECISION, log TEXT NOT NULL,
                error TEXT NOT NULL, PRIMARY KEY (run, step))""",
            """CREATE TABLE artifacts (
                digest TEXT NOT NULL PRIMARY KEY, kind TEXT NOT NULL, uri TEXT NOT NULL, schema TEXT NOT NULL,
                made_by TEXT NOT NULL, created DOUBLE PRECISION NOT NULL, facts TEXT NOT NULL)""",
            """CREATE TABLE cache_entries (
                key TEXT NOT NULL PRIMARY KEY, pipeline TEXT NOT NULL, step TEXT NOT NULL, outputs TEXT NOT NULL,
                parts TEXT NOT NULL, observed TEXT NOT NULL, expires DOUBLE PRECISION, run TEXT NOT NULL,
                created DOUBLE PRECISION NOT NULL)""",
            "CREATE INDEX cache_entries_by_step ON cache_entries (pipeline, step, created)",
            """CREATE TABLE model_versions (
                model TEXT NOT NULL, version BIGINT NOT NULL, digest TEXT NOT NULL, metrics TEXT NOT NULL,
                lineage TEXT NOT NULL, created DOUBLE PRECISION NOT NULL, PRIMARY KEY (model, version))""",
            """CREATE TABLE alias_changes (
                model TEXT NOT NULL, alias TEXT NOT NULL, sequence BIGINT NOT NULL, version BIGINT NOT NULL,
                reason TEXT NOT NULL, created DOUBLE PRECISION NOT NULL, PRIMARY KEY (model, alias, sequence))""",
        ),
    ),
    (
        2,  # the whole runner: tags, notes, what a run was asked; heartbeats, leases, cancellations, metrics
        (
            "ALTER TABLE runs ADD COLUMN host TEXT NOT NULL DEFAULT ''",
            "ALTER TABLE runs ADD COLUMN tags TEXT NOT NULL DEFAULT '{}'",
            "ALTER TABLE runs ADD COLUMN notes TEXT NOT NULL DEFAULT ''",
            "ALTER TABLE runs ADD COLUMN options TEXT NOT NULL DEFAULT '{}'",
            "ALTER TABLE step_runs ADD COLUMN origin TEXT NOT NULL DEFAULT ''",
            "CREATE TABLE heartbeats (run TEXT NOT NULL PRIMARY KEY, beat DOUBLE PRECISION NOT NULL)",
            """CREATE TABLE leases (
                key TEXT NOT NULL PRIMARY KEY, run TEXT NOT NULL, created DOUBLE PRECISION NOT NULL)""",
            """CREATE TABLE cancellations (
                run TEXT NOT NULL PRIMARY KEY, reason TEXT NOT NULL, created DOUBLE PRECISION NOT NULL)""",
            """CREATE TABLE metrics (
                run TEXT NOT NULL, step TEXT NOT NULL, name TEXT NOT NULL, sequence BIGINT NOT NULL,
                value DOUBLE PRECISION NOT NULL, step_number DOUBLE PRECISION, created DOUBLE PRECISION NOT NULL,
                PRIMARY KEY (run, step, name, sequence))""",
        ),
    ),
    (
        3,  # triggers: what they are, which are paused, each time that one fired
        (
            """CREATE TABLE triggers (
                name TEXT NOT NULL PRIMARY KEY, kind TEXT NOT NULL, pipeline TEXT NOT NULL, spec TEXT NOT NULL,
                params TEXT NOT NULL, experiment TEXT NOT NULL, mode TEXT NOT NULL, max_parallel BIGINT NOT NULL,
                when_full TEXT NOT NULL, declared TEXT NOT NULL, created DOUBLE PRECISION NOT NULL,
                since DOUBLE PRECISION NOT NULL)""",
            """CREATE TABLE pauses (
                trigger TEXT NOT NULL PRIMARY KEY, reason TEXT NOT NULL, created DOUBLE PRECISION NOT NULL)""",
            """CREATE TABLE firings (
                trigger TEXT NOT NULL, occurrence TEXT NOT NULL, run TEXT NOT NULL, state TEXT NOT NULL,
                event TEXT NOT NULL, reason TEXT NOT NULL, created DOUBLE PRECISION NOT NULL,
                PRIMARY KEY (trigger, occurrence))""",
            "CREATE INDEX firings_by_creation ON firings (trigger, created)",
            "CREATE INDEX firings_by_state ON firings (state)",
            "CREATE INDEX firings_by_run ON firings (run)",
        ),
    ),
    (
        4,  # artifacts with names: numbered versions, and aliases that point at them
        (
            """CREATE TABLE named_versions (
                name TEXT NOT NULL, version BIGINT NOT NULL, digest TEXT NOT NULL, expires DOUBLE PRECISION,
                lineage TEXT NOT NULL, created DOUBLE PRECISION NOT NULL, PRIMARY KEY (name, version))""",
            """CREATE TABLE name_changes (
                name TEXT NOT NULL, alias TEXT NOT NULL, sequence BIGINT NOT NULL, version BIGINT NOT NULL,
                reason TEXT NOT NULL, created DOUBLE PRECISION NOT NULL, PRIMARY KEY (name, alias, sequence))""",
        ),
    ),
    (
        5,  # a metric may be NaN, which SQLite has no other value for than NULL
        (
            "DROP TABLE metrics",
            """CREATE TABLE metrics (
                run TEXT NOT NULL, step TEXT NOT NULL, name TEXT NOT NULL, sequence BIGINT NOT NULL,
                value DOUBLE PRECISION, step_number DOUBLE PRECISION, created DOUBLE PRECISION NOT NULL,
                PRIMARY KEY (run, step, name, sequence))""",
        ),
    ),
    (
        6,  # attempts at steps that failed and were followed by another
        (
            """CREATE TABLE attempts (
                run TEXT NOT NULL, step TEXT NOT NULL, number BIGINT NOT NULL, error TEXT NOT NULL,
                started DOUBLE PRECISION NOT NULL, ended DOUBLE PRECISION NOT NULL,
                PRIMARY KEY (run, step, number))""",
        ),
    ),
    (
        7,  # requests that start one run only, however often they are sent
        (
            """CREATE TABLE start_requests (
                key TEXT NOT NULL PRIMARY KEY, asked TEXT NOT NULL, run TEXT NOT NULL,
                created DOUBLE PRECISION NOT NULL)""",
        ),
    ),
    (8, ("CREATE INDEX artifacts_by_creation ON artifacts (created, digest)",)),  # the newest few of very many
    (
        9,  # versions of feature sets and feature services
        (
            """CREATE TABLE feature_versions (
                kind TEXT NOT NULL, name TEXT NOT NULL, version BIGINT NOT NULL, digest TEXT NOT NULL,
                definition TEXT NOT NULL, changes TEXT NOT NULL, breaks TEXT NOT NULL, history TEXT NOT NULL,
                created DOUBLE PRECISION NOT NULL, PRIMARY KEY (kind, name, version))""",
        ),
    ),
    (
        10,  # what the rows of each ingest into a feature set were like
        (
            """CREATE TABLE ingest_statistics (
                history TEXT NOT NULL, digest TEXT NOT NULL, first BIGINT NOT NULL, last BIGINT NOT NULL,
                ingests BIGINT NOT NULL, batch TEXT NOT NULL, rows BIGINT NOT NULL, first_event BIGINT,
                last_event BIGINT, features TEXT NOT NULL, reached DOUBLE PRECISION NOT NULL,
                created DOUBLE PRECISION NOT NULL, PRIMARY KEY (history, digest, first, last))""",
        ),
    ),
    (11, ("ALTER TABLE step_runs ADD COLUMN needs TEXT NOT NULL DEFAULT '[]'",)),  # so that a run can be drawn
)
"""(number, statements), in SQL that SQLite and PostgreSQL share. What stands here is history; a change is an entry."""


def migrate(engine: sa.Engine) -> None:
    """Bring the database up to the newest version, in one transaction; raises `StorageError` if it is newer still."""
    newest = MIGRATIONS[-1][0]
    with engine.connect() as connection:
        if _version(connection) == newest:
            return
        connection.rollback()
        connection.exec_driver_sql("BEGIN IMMEDIATE")  # of several processes that get here, one works and the rest wait
        version = _version(connection)
        if version > newest:
            raise StorageError(
                f"the metadata store {engine.url.render_as_string()} has schema version {version}, this penstock knows "
                f"versions up to {newest}; use the newer penstock that wrote it, or another store"
            )
        connection.exec_driver_sql(
            "CREATE TABLE IF NOT EXISTS schema_version (number BIGINT NOT NULL PRIMARY KEY, applied DOUBLE PRECISION)"
        )
        for number, statements in MIGRATIONS:
            if number > version:
                for statement in statements:
                    connection.exec_driver_sql(statement)
                row = {"number": number, "applied": time.time()}
                connection.execute(sa.text("INSERT INTO schema_version VALUES (:number, :applied)"), row)
        connection.commit()


def _version(connection: sa.Connection) -> int:
    if not sa.inspect(connection).has_table("schema_version"):
        return 0
    return connection.execute(sa.text("SELECT max(number) FROM schema_version")).scalar() or 0
