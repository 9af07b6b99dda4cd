"""What may come next in a SQL text: words of the language, functions, tables, models, columns of the tables named."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document

from penstock.core.operation import LearnedOperation, Operation
from penstock.errors import PenstockError
from penstock.operations import LEARNED, OPERATIONS
from penstock.sql import TABLE_FUNCTIONS

if TYPE_CHECKING:
    from penstock.project import Project
    from penstock.remote import RemoteProject

_WORDS = (
    "SELECT", "FROM", "WHERE", "GROUP BY", "HAVING", "QUALIFY", "ORDER BY", "LIMIT", "OFFSET", "WITH", "AS", "JOIN",
    "LEFT JOIN", "CROSS JOIN", "ON", "USING", "UNION ALL", "UNION DISTINCT", "EXCEPT", "REPLACE", "DISTINCT", "UNNEST",
    "CREATE MODEL", "CREATE OR REPLACE MODEL", "CREATE OR REPLACE TABLE", "CREATE OR REPLACE VIEW",
    "CREATE TEMP TABLE", "DROP MODEL", "DROP TABLE", "DROP VIEW", "INSERT INTO", "DELETE FROM", "UPDATE", "DECLARE",
    "WITH RECURSIVE", "TRANSFORM",
    "OPTIONS", "MODEL", "TABLE", "STRUCT", "CASE", "WHEN", "THEN", "ELSE", "END", "AND", "OR", "NOT", "IN", "BETWEEN",
    "LIKE", "IS NULL", "IS NOT NULL", "TRUE", "FALSE", "NULL", "INTERVAL", "OVER", "PARTITION BY", "EXTRACT", "CAST",
    "SAFE_CAST", "COUNT", "SUM", "AVG", "MIN", "MAX", "DESC", "ASC", "SHOW MODELS", "SHOW TABLES", "DESCRIBE MODEL",
)  # fmt: skip
_TYPED = re.compile(r"[\w.`@-]*$")
_NAMED = re.compile(r"`([^`]+)`|([\w.-]+)")


class Vocabulary:
    """The names of a project's tables, models and columns, asked for when they are first needed."""

    def __init__(self, project: Project | RemoteProject) -> None:
        self._project = project
        self._lists: dict[str, list[str]] = {}
        self._columns: dict[str, dict[str, str]] = {}

    def forget(self) -> None:
        """Ask again for which tables and models there are; the columns of a table that is still there are kept."""
        self._lists.clear()

    @property
    def tables(self) -> list[str]:
        """The names of the tables that a query may read."""
        return self._named("TABLES")

    @property
    def models(self) -> list[str]:
        """The names of the models."""
        return self._named("MODELS")

    def columns(self, table: str) -> dict[str, str]:
        """Return the columns of a table and their types."""
        if table not in self._columns:
            described = self._project.sql(f"DESCRIBE TABLE `{table}`").to_pylist()
            self._columns[table] = {row["column"]: row["type"] for row in described}
        return self._columns[table]

    def _named(self, what: str) -> list[str]:
        if what not in self._lists:
            self._lists[what] = self._project.sql(f"SHOW {what}").column(0).to_pylist()
        return self._lists[what]


class SqlCompleter(Completer):
    """Completes the word at the cursor."""

    def __init__(self, vocabulary: Vocabulary) -> None:
        self._vocabulary = vocabulary
        self._functions = sorted(_functions())

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterator[Completion]:
        """Yield what the word may become: columns of the tables named in the text first, then tables, models, words."""
        before = document.text_before_cursor
        found = _TYPED.search(before)
        typed = found[0] if found else ""
        if before.lstrip().startswith("\\"):
            groups: list[tuple[str, Iterable[str]]] = [
                ("table", self._known("tables")),
                ("model", self._known("models")),
            ]
        elif not typed and complete_event.text_inserted:
            return  # nothing pops up where nobody has typed a word
        else:
            groups = [*self._columns(document.text), ("table", self._known("tables")), ("model", self._known("models"))]
            groups += [("function", self._functions), ("", _WORDS)]
        seen = set()
        for meta, names in groups:
            for name in names:
                if name not in seen and _fits(typed, name):
                    seen.add(name)
                    yield Completion(_written(name, typed, meta), -len(typed), display=name, display_meta=meta)

    def _known(self, what: str) -> list[str]:
        try:
            return list(getattr(self._vocabulary, what))
        except PenstockError:
            return []  # completion is a help: what a server does not tell is told when the statement runs

    def _columns(self, text: str) -> Iterator[tuple[str, Iterable[str]]]:
        names = {quoted or plain for quoted, plain in _NAMED.findall(text)}
        for table in self._known("tables"):
            if table in names:
                try:
                    yield table, self._vocabulary.columns(table)
                except PenstockError:
                    continue  # a table that cannot be read: the statement will say why


def _functions() -> Iterator[str]:
    operations: list[Operation | LearnedOperation] = [*OPERATIONS.values(), *LEARNED.values()]
    yield from (f"{operation.bigquery}(" for operation in operations if operation.bigquery)
    for name in TABLE_FUNCTIONS:
        yield f"ML.{name}("


def _fits(typed: str, name: str) -> bool:
    """Tell whether a name begins as typed, or a part of a name with dots does."""
    start = typed.lstrip("`").lower()
    whole = name.lower()
    return whole.startswith(start) or f".{start}" in whole


def _written(name: str, typed: str, meta: str) -> str:
    """Write a name as it can stand in a statement: a table whose name is no plain word in back quotes."""
    is_name = meta not in ("", "function")
    plain = re.fullmatch(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", name)
    return f"`{name}`" if is_name and (typed.startswith("`") or not plain) else name
