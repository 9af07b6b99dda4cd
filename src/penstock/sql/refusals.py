"""Statements that are not ours, told by their first words: what they are, and what to write instead."""

from __future__ import annotations

from collections.abc import Sequence

from penstock.errors import SqlError

ACCEPTED = (
    "accepted are: SELECT (also WITH ... SELECT), CREATE [OR REPLACE] MODEL|[TEMP] TABLE|VIEW [IF NOT EXISTS], "
    "CREATE TEMP FUNCTION, DROP MODEL|TABLE|VIEW [IF EXISTS], INSERT, UPDATE, DELETE, TRUNCATE TABLE, DECLARE, SET, "
    "ALTER MODEL [IF EXISTS] name SET OPTIONS(...), EXPORT MODEL name OPTIONS(URI=...), SHOW TABLES|MODELS, "
    "DESCRIBE TABLE|MODEL name"
)

_INSTEAD = {
    "MERGE": "write CREATE OR REPLACE TABLE t AS SELECT ..., with a FULL JOIN of the table and what comes new",
    "ALTER TABLE": "write CREATE OR REPLACE TABLE t AS SELECT ..., with the columns that it should have",
    "ALTER VIEW": "write CREATE OR REPLACE VIEW",
    "CREATE MATERIALIZED": "write CREATE VIEW, which is run when it is read, or CREATE TABLE, which is kept",
    "CREATE SCHEMA": "a data set is there with the first name in it: CREATE TABLE d.t AS SELECT ...",
    "DROP SCHEMA": "a data set is gone with the last table in it",
    "CREATE FUNCTION": "write CREATE TEMP FUNCTION in the text that calls it",
    "CREATE PROCEDURE": "write a function in Python that calls project.sql",
    "CREATE EXTERNAL": "declare the table in penstock.toml, under [tables]",
    "LOAD": "declare the files in penstock.toml, under [tables]",
    "COPY": "declare the files in penstock.toml, under [tables]",
    "EXPORT DATA": "write the result of project.sql from Python: it is an Arrow table",
    "BEGIN": "the statements of a text run one after another: write them without BEGIN and END",
    "COMMIT": "each statement is kept whole or not at all, by itself",
    "ROLLBACK": "each statement is kept whole or not at all, by itself",
    "IF": "choose in Python which text to run, or write IF(condition, a, b) in a query",
    "LOOP": "repeat in Python, or write WITH RECURSIVE",
    "WHILE": "repeat in Python, or write WITH RECURSIVE",
    "REPEAT": "repeat in Python, or write WITH RECURSIVE",
    "FOR": "repeat in Python, or write WITH RECURSIVE",
    "CALL": "write a function in Python that calls project.sql",
    "EXECUTE": "put the text together in Python and run it by project.sql",
    "ASSERT": "ps.validate holds rows to a schema; a query can count those that are wrong",
    "GRANT": "who may read files may read tables: there are no other rights here",
    "REVOKE": "who may read files may read tables: there are no other rights here",
    "FROM": "write the query as SELECT ... FROM ...: there are no pipes",
}


def refuse_other_statements(words: Sequence[str], at: str) -> None:
    """Refuse every statement but ours by its first four words, before a parser sees the rest."""
    match words:
        case ["SELECT" | "WITH" | "(", *_] | ["INSERT" | "UPDATE" | "DELETE" | "DECLARE", _, *_]:
            return
        case ["DROP", "MODEL" | "TABLE" | "VIEW", *_] | ["ALTER" | "EXPORT", "MODEL", *_] | ["TRUNCATE", "TABLE", *_]:
            return
        case (
            ["SHOW", "TABLES" | "MODELS"]
            | ["DESCRIBE", "TABLE" | "MODEL", _, *_]
            | ["SET", "(", *_]
            | ["SET", _, "=", *_]
        ):
            return
        case ["CREATE", "TEMP" | "TEMPORARY", "FUNCTION" | "TABLE", _]:
            return
        case ["CREATE", "MODEL" | "TABLE" | "VIEW", *_]:
            return
        case ["CREATE", "OR", "REPLACE", "MODEL" | "TABLE" | "VIEW" | "TEMP" | "TEMPORARY"]:
            return
        case ["CREATE" | "DROP" | "ALTER" | "EXPORT" as verb, *rest]:
            what = " ".join([verb, *(word for word in rest[:3] if word.isalpha())][: 4 if "OR" in rest else 2])
        case [first, *_]:
            what = first
    instead = _INSTEAD.get(what.replace("CREATE OR REPLACE", "CREATE"))
    raise SqlError(f"{what} at {at} is not a statement that penstock runs; {instead or ACCEPTED}")
