"""BigQuery ML's statements: text -> values -> run against a catalog of tables and models that is handed in."""

from penstock.sql.catalog import (
    Catalog,
    Entry,
    Join,
    MemoryCatalog,
    Reading,
    View,
    as_they_are,
    check_made,
    untold,
)
from penstock.sql.dialect import is_whole
from penstock.sql.inferences import FUNCTIONS as TABLE_FUNCTIONS
from penstock.sql.running import run, run_query, to_model
from penstock.sql.statements import (
    AlterModel,
    CreateModel,
    CreateTable,
    CreateView,
    Drop,
    ExportModel,
    Mode,
    Query,
    Statement,
    only_reads,
    parse,
)

__all__ = [
    "TABLE_FUNCTIONS",
    "AlterModel",
    "Catalog",
    "CreateModel",
    "CreateTable",
    "CreateView",
    "Drop",
    "Entry",
    "ExportModel",
    "Join",
    "MemoryCatalog",
    "Mode",
    "Query",
    "Reading",
    "Statement",
    "View",
    "as_they_are",
    "check_made",
    "is_whole",
    "only_reads",
    "parse",
    "run",
    "run_query",
    "to_model",
    "untold",
]
