"""BigQuery ML's statements: text -> values -> run against a catalog of tables and models that is handed in."""

from penstock.sql.catalog import Catalog, MemoryCatalog
from penstock.sql.running import run, to_model
from penstock.sql.statements import CreateModel, DropModel, Mode, Query, Statement, parse

__all__ = [
    "Catalog",
    "CreateModel",
    "DropModel",
    "MemoryCatalog",
    "Mode",
    "Query",
    "Statement",
    "parse",
    "run",
    "to_model",
]
