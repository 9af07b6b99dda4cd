"""INSERT, UPDATE, DELETE and TRUNCATE: tables are kept whole, so a change is a query of what the table becomes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sqlglot import exp

from penstock.errors import ConflictError, SqlError, UnknownNameError
from penstock.operations import quoted, sql_type
from penstock.sql.binding import Binding
from penstock.sql.dialect import Dialect, place
from penstock.sql.relations import refuse_others
from penstock.sql.scalars import bind_scalar
from penstock.sql.scope import Bound, Scalar
from penstock.sql.statements import Change

_CLOCKS = {"date": "DATE", "time": "TIME", "datetime": "DATETIME", "timestamp": "TIMESTAMPTZ"}


def changed(statement: Change, binding: Binding) -> Bound:
    """Return the query that gives all rows of a table as a statement leaves them, with the columns that it has."""
    _check_changeable(statement.name, binding)
    before = binding.table(statement.name)
    after = _after(statement, before, binding)
    for (name, type), (_, given) in zip(before.columns, after.columns, strict=True):
        if type != given and given != "null":
            raise SqlError(f"column '{name}' of '{statement.name}' is {type}, and would become {given}; CAST the value")
    return after


def _check_changeable(name: str, binding: Binding) -> None:
    if name in binding.temporary:
        return
    there = binding.catalog.tables_there()
    if name not in there:
        raise UnknownNameError("table", name, there)
    match there[name].type:
        case "VIEW":
            raise ConflictError(
                f"'{name}' is a view; change the tables that it reads, or CREATE OR REPLACE VIEW {name}"
            )
        case "EXTERNAL":
            raise ConflictError(
                f"table '{name}' is declared: its rows are not SQL's to change; make a table of them first: CREATE "
                f"TABLE other AS SELECT * FROM `{name}`"
            )


def _after(statement: Change, before: Bound, binding: Binding) -> Bound:
    tree = statement.tree
    match tree:
        case exp.Insert():
            refuse_others(tree, {"this", "expression"})
            return _inserted(tree, before, binding)
        case exp.Update():
            if tree.args.get("from_"):
                raise SqlError(
                    f"UPDATE ... FROM{place(tree)} is not in penstock's SQL; write CREATE OR REPLACE TABLE "
                    f"{statement.name} AS SELECT ..., with a LEFT JOIN that finds the new values"
                )
            refuse_others(tree, {"this", "expressions", "where"})
            return _updated(tree, before, binding)
        case exp.Delete():
            refuse_others(tree, {"this", "tables", "where"})
            gone = exp.Coalesce(this=_condition(tree, "DELETE"), expressions=[exp.false()])
            return binding.query(
                _select(tree.this or tree.args["tables"][0]).where(exp.not_(gone)), binding.root, binding
            )
    return binding.query(_select(tree.expressions[0]).where(exp.false()), binding.root, binding)


def _select(table: exp.Expr) -> exp.Select:
    return exp.select("*").from_(table.copy())


def _condition(tree: exp.Update | exp.Delete, word: str) -> exp.Expr:
    where = tree.args.get("where")
    if where is None:
        raise SqlError(f"{word}{place(tree)} has no WHERE, without which it would be about every row; write WHERE TRUE")
    condition: exp.Expr = where.this.copy()
    return condition


def _updated(tree: exp.Update, before: Bound, binding: Binding) -> Bound:
    """Put each new value in place of a column where the condition holds; all of them read the row as it was."""
    types = {name.lower(): (name, type) for name, type in before.columns}
    replaced: dict[str, exp.Expr] = {}
    for item in tree.expressions:
        column = item.this
        if column.name.lower() not in types:
            raise UnknownNameError("column", column.name, [name for name, _ in before.columns], within="UPDATE")
        name, type = types[column.name.lower()]
        if name in replaced:
            raise SqlError(f"UPDATE sets column '{name}' twice{place(item)}")
        kept, alias = exp.column(exp.to_identifier(name, quoted=True)), exp.to_identifier(name, quoted=True)
        value = exp.If(this=_condition(tree, "UPDATE"), true=_coerced(item.expression.copy(), type), false=kept)
        replaced[name] = exp.Alias(this=value, alias=alias)
    select = _select(tree.this)
    select.expressions[0].set("replace", list(replaced.values()))
    return binding.query(select, binding.root, binding)


def _coerced(value: exp.Expr, type: str) -> exp.Expr:
    """Read a text as the date or time that it is put in place of, as BigQuery does, and DEFAULT as NULL."""
    if isinstance(value, exp.Var) and value.name.upper() == "DEFAULT":
        return exp.Null()
    is_text = isinstance(value, exp.Literal) and value.is_string
    return exp.cast(value, _CLOCKS[type]) if is_text and type in _CLOCKS else value


def _inserted(tree: exp.Insert, before: Bound, binding: Binding) -> Bound:
    names = _named_columns(tree, before)
    if isinstance(tree.expression, exp.Values):
        added = _rows_written(tree.expression, [dict(before.columns)[name] for name in names], binding)
    elif isinstance(tree.expression, exp.Query):
        added = binding.query(tree.expression, binding.root, binding)
    else:
        raise SqlError(f"INSERT{place(tree)} takes a query, or VALUES (...), (...)")
    if len(added.columns) != len(names):
        raise SqlError(f"INSERT{place(tree)} names {len(names)} columns and gives {len(added.columns)} values")
    fresh = quoted(binding.fresh("added"))
    there = {name: (given, type) for name, (given, type) in zip(names, added.columns, strict=True)}
    values = []
    for name, type in before.columns:
        given, given_type = there.get(name, ("", "null"))
        if given_type not in (type, "null") and (given_type, type) != ("int64", "float64"):
            raise SqlError(f"INSERT gives column '{name}', which is {type}, a value that is {given_type}; CAST it")
        value = f"{fresh}.{quoted(given)}" if name in there else "NULL"
        values.append(f"CAST({value} AS {sql_type(type)}) AS {quoted(name)}")
    old = quoted(binding.fresh("before"))
    text = f"SELECT * FROM {before.text} AS {old} UNION ALL SELECT {', '.join(values)} FROM ({added.text}) AS {fresh}"
    return Bound(text, before.columns)


def _named_columns(tree: exp.Insert, before: Bound) -> list[str]:
    """Return the columns that an INSERT names, or all of the table, as the table spells them."""
    if not isinstance(tree.this, exp.Schema):
        return [name for name, _ in before.columns]
    known = {name.lower(): name for name, _ in before.columns}
    for item in tree.this.expressions:
        if item.name.lower() not in known:
            raise UnknownNameError("column", item.name, known.values(), within=f"INSERT{place(item)}")
    names = [known[item.name.lower()] for item in tree.this.expressions]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SqlError(f"INSERT names column '{twice}' twice{place(tree)}")
    return names


def _rows_written(values: exp.Values, types: Sequence[str], binding: Binding) -> Bound:
    """Bind rows that are written out: `VALUES (1, 'x'), (2, DEFAULT)`."""
    rows = [list(_row(row, types, binding)) for row in values.expressions]
    columns = []
    for at in range(len(types)):
        found = {row[at].type for row in rows} - {"null"}
        if len(found) > 1 and found != {"int64", "float64"}:
            raise SqlError(
                f"value {at + 1} of VALUES{place(values)} is {' and '.join(sorted(found))}; CAST one of them"
            )
        columns.append((f"v{at}", "float64" if len(found) > 1 else next(iter(found), "null")))
    texts = ", ".join(f"({', '.join(value.text for value in row)})" for row in rows)
    fresh, names = quoted(binding.fresh("written")), ", ".join(name for name, _ in columns)
    return Bound(f"SELECT * FROM (VALUES {texts}) AS {fresh}({names})", tuple(columns))


def _row(row: exp.Expr, types: Sequence[str], binding: Binding) -> Iterator[Scalar]:
    items = row.expressions if isinstance(row, exp.Tuple) else [row]
    if len(items) != len(types):
        raise SqlError(f"{row.sql(Dialect)}{place(row)} has {len(items)} values; here stand {len(types)}")
    for item, type in zip(items, types, strict=True):
        yield bind_scalar(_coerced(item, type), binding.root, binding)
