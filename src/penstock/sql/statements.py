"""The statements that penstock's SQL has, as values: `parse(text)` makes them, `run` runs them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from sqlglot import exp

from penstock.core.mapping import FrozenMap
from penstock.errors import DeclarationError, SqlError, UnknownNameError
from penstock.models.learning.search import Space, hparam_candidates, hparam_range
from penstock.sql.dialect import (
    AlterModelOptions,
    DescribeNamed,
    Dialect,
    ExportModelNode,
    ShowNames,
    after_as,
    parse_statements,
    place,
)
from penstock.sql.temporary_functions import TemporaryFunction, declared_function, expanded

IMPORTED = ("keras", "onnx")
"""Model types that come as a file, and need no query."""

Mode: TypeAlias = Literal["create", "replace", "if_not_exists"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """`SELECT ...`."""

    tree: exp.Query


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateModel:
    """`CREATE MODEL name TRANSFORM(...) OPTIONS(...) AS query`.

    `transform` holds the select list of TRANSFORM, None where there is no TRANSFORM. `options` are as written, by
    their names in small letters, among them `model_type` and `input_label_cols`.
    """

    name: str
    mode: Mode
    options: FrozenMap[Any]
    transform: tuple[exp.Expr, ...] | None
    query: exp.Query
    text: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateTable:
    """`CREATE TABLE name AS query`: its rows are kept under the name, which later statements read; with TEMP, which the
    later ones of the same text do."""

    name: str
    mode: Mode
    query: exp.Query
    temporary: bool = False
    text: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class CreateView:
    """`CREATE VIEW name AS query`: the text of the query is kept, and run where the name is read."""

    name: str
    mode: Mode
    query: str
    text: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """`INSERT`, `UPDATE`, `DELETE` or `TRUNCATE TABLE` of a table that SQL made."""

    name: str
    tree: exp.Expr
    text: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Declare:
    """`DECLARE a, b type DEFAULT value`: variables, which the statements after it read."""

    names: tuple[str, ...]
    type: exp.DataType | None
    value: exp.Expr | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SetVariables:
    """`SET a = value`, or `SET (a, b) = (value, value)`."""

    names: tuple[str, ...]
    values: tuple[exp.Expr, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """`DROP MODEL name`, `DROP TABLE name` or `DROP VIEW name`, each also with IF EXISTS."""

    kind: Literal["MODEL", "TABLE", "VIEW"]
    name: str
    if_exists: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class AlterModel:
    """`ALTER MODEL name SET OPTIONS(...)`: what people say about a model."""

    name: str
    if_exists: bool
    options: FrozenMap[Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportModel:
    """`EXPORT MODEL name OPTIONS(URI = 'path')`; `trial_id` asks for that of a tuned model's trials."""

    name: str
    uri: str
    trial_id: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Show:
    """`SHOW TABLES`, or `SHOW MODELS`: what there is."""

    what: Literal["TABLES", "MODELS"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Describe:
    """`DESCRIBE TABLE name`: its columns; `DESCRIBE MODEL name`: what it takes, computes and gives."""

    kind: Literal["TABLE", "MODEL"]
    name: str


_Makes: TypeAlias = CreateModel | CreateTable | CreateView | Change | Drop | AlterModel | ExportModel
_Reads: TypeAlias = Query | Show | Describe | Declare | SetVariables
Statement: TypeAlias = _Makes | _Reads


def only_reads(statement: Statement) -> bool:
    """Tell whether a statement changes nothing."""
    return isinstance(statement, _Reads)


def parse(text: str) -> tuple[Statement, ...]:
    """Return the statements of a SQL text, in order; `SqlError` names what is wrong, and where.

    Temporary functions are no statements: those after them hold what they stand for.
    """
    functions: dict[str, TemporaryFunction] = {}
    statements = []
    for tree, part in parse_statements(text):
        if isinstance(tree, exp.Create) and tree.kind == "FUNCTION":
            function = declared_function(tree, functions)
            functions[function.name.lower()] = function
        else:
            statements.append(_statement(expanded(tree, functions), part))
    _check_variables(statements)
    if not statements:
        raise SqlError(f"the function {function.name} is for the statements after it in the same text; there are none")
    return tuple(statements)


def _check_variables(statements: Sequence[Statement]) -> None:
    """Refuse a SET of what no DECLARE before it has declared."""
    declared: dict[str, str] = {}
    for statement in statements:
        match statement:
            case Declare(names=names):
                for name in names:
                    if name.lower() in declared:
                        raise SqlError(f"the variable {name} is declared twice")
                    declared[name.lower()] = name
            case SetVariables(names=names):
                for name in names:
                    if name.lower() not in declared:
                        raise UnknownNameError("variable", name, declared.values(), within="SET; DECLARE declares one")


def dotted(table: exp.Table) -> str:
    """Return the name of a table or a model as its declaration writes it, without back quotes."""
    return ".".join(part.name for part in table.parts)


def _statement(tree: exp.Expr, text: str) -> Statement:
    match tree:
        case exp.Create(kind="TABLE"):
            return _create_table(tree, text)
        case exp.Create(kind="VIEW"):
            return _create_view(tree, text)
        case exp.Create():
            return _create_model(tree, text)
        case exp.Drop(kind=("MODEL" | "TABLE" | "VIEW") as kind):
            [name] = tree.args["tables"]
            return Drop(kind=kind, name=dotted(name), if_exists=bool(tree.args.get("exists")))
        case AlterModelOptions():
            options = _named_options(tree.expressions, "ALTER MODEL")
            return AlterModel(name=dotted(tree.this), if_exists=bool(tree.args.get("exists")), options=options)
        case ExportModelNode():
            return _export_model(tree)
        case exp.Insert() | exp.Update() | exp.Delete() | exp.TruncateTable():
            return _change(tree, text)
        case exp.Declare():
            [item] = tree.expressions
            names = tuple(name.name for name in item.this)
            return Declare(names=names, type=item.args.get("kind"), value=item.args.get("default") or None)
        case exp.Set():
            return _set(tree)
        case exp.Query():
            return Query(tree=tree)
        case ShowNames():
            return Show(what=tree.this)
        case DescribeNamed():
            return Describe(kind=tree.args["kind"], name=dotted(tree.this))
    raise SqlError(f"{tree.key.upper()}{place(tree)} is not a statement that penstock runs")


_NO_EFFECT = (exp.PartitionedByProperty, exp.ClusterProperty, exp.TemporaryProperty)
"""What CREATE TABLE may say of how a table is kept, which changes none of its rows."""


def _create_table(tree: exp.Create, text: str) -> CreateTable:
    name = tree.this.this if isinstance(tree.this, exp.Schema) else tree.this
    properties = tree.args["properties"].expressions if tree.args.get("properties") else []
    query, clone = tree.expression, tree.args.get("clone")
    like = next((item for item in properties if isinstance(item, exp.LikeProperty)), None)
    if isinstance(tree.this, exp.Schema) and query is None:
        query = _empty(tree.this, dotted(name))
    elif clone is not None:
        query = exp.select("*").from_(clone.this)
    elif like is not None and query is None:
        query = exp.select("*").from_(like.this).where(exp.false())
    if not isinstance(query, exp.Query) or (isinstance(tree.this, exp.Schema) and tree.expression is not None):
        shown = dotted(name)
        raise SqlError(f"CREATE TABLE {shown} is made of a query alone, CREATE TABLE {shown} AS SELECT, or of columns")
    odd = next((item for item in properties if item is not like and not isinstance(item, _NO_EFFECT)), None)
    if odd is not None:
        raise SqlError(f"CREATE TABLE {dotted(name)} has {odd.sql(Dialect)}{place(odd)}; it takes AS SELECT alone")
    temporary = any(isinstance(item, exp.TemporaryProperty) for item in properties)
    return CreateTable(name=dotted(name), mode=_mode(tree), query=query, temporary=temporary, text=text)


def _empty(schema: exp.Schema, name: str) -> exp.Select:
    """Return a query without rows that has the columns of a list."""
    columns = []
    for item in schema.expressions:
        if not isinstance(item, exp.ColumnDef) or item.args.get("constraints") or item.kind is None:
            shown = item.sql(Dialect)
            raise SqlError(
                f"CREATE TABLE {name}: {shown}{place(item)} is more than a name and a type, which are kept alone"
            )
        columns.append(exp.alias_(exp.cast(exp.Null(), item.kind), exp.to_identifier(item.name, quoted=True)))
    return exp.Select(expressions=columns).where(exp.false())


def _change(tree: exp.Expr, text: str) -> Change:
    table = tree.this or (tree.args.get("tables") or tree.expressions)[0]
    return Change(name=dotted(table.this if isinstance(table, exp.Schema) else table), tree=tree, text=text)


def _set(tree: exp.Set) -> SetVariables:
    [item] = tree.expressions
    names, values = [item.this.this], [item.this.expression]
    if isinstance(names[0], exp.Tuple):
        names, values = names[0].expressions, getattr(values[0], "expressions", [])
    if len(names) != len(values) or not all(isinstance(name, exp.Column) and not name.table for name in names):
        raise SqlError(f"{tree.sql(Dialect)}{place(tree)}: write SET a = value, or SET (a, b) = (value, value)")
    return SetVariables(names=tuple(name.name for name in names), values=tuple(values))


def _create_view(tree: exp.Create, text: str) -> CreateView:
    name = tree.this
    if not isinstance(name, exp.Table) or not isinstance(tree.expression, exp.Query):
        shown = dotted(name if isinstance(name, exp.Table) else name.this)
        raise SqlError(f"CREATE VIEW {shown} is made of a query alone: CREATE VIEW {shown} AS SELECT a AS b ...")
    if tree.args.get("properties"):
        first = tree.args["properties"].expressions[0]
        raise SqlError(f"CREATE VIEW {dotted(name)} has {first.sql(Dialect)}{place(first)}; it takes AS SELECT alone")
    return CreateView(name=dotted(name), mode=_mode(tree), query=after_as(text), text=text)


def _mode(tree: exp.Create) -> Mode:
    return "if_not_exists" if tree.args.get("exists") else "replace" if tree.args.get("replace") else "create"


def _export_model(tree: ExportModelNode) -> ExportModel:
    options = _named_options(tree.expressions, "EXPORT MODEL")
    odd = next((option for option in options if option not in ("uri", "trial_id")), None)
    if odd is not None:
        raise UnknownNameError("option", odd, ("uri",), within="EXPORT MODEL")
    if not isinstance(options.get("uri"), str) or not options["uri"]:
        raise SqlError(f"EXPORT MODEL {dotted(tree.this)} needs the option URI: OPTIONS(URI = 'models/bicycle.onnx')")
    trial = options.get("trial_id")
    if not (trial is None or (isinstance(trial, int) and not isinstance(trial, bool))):
        raise SqlError(f"EXPORT MODEL {dotted(tree.this)}: trial_id is the number of a trial, not {trial!r}")
    return ExportModel(name=dotted(tree.this), uri=options["uri"], trial_id=trial)


def _named_options(items: Sequence[exp.Expr], within: str) -> FrozenMap[Any]:
    """Return the options of a list of `name = value`, by their names in small letters."""
    options: dict[str, Any] = {}
    for item in items:
        if not isinstance(item, exp.EQ) or not isinstance(item.this, exp.Column):
            raise SqlError(f"{within}: an option is name = value, not {item.sql(Dialect)}{place(item)}")
        name = item.this.name.lower()
        if name in options:
            raise SqlError(f"{within}: option {name} is there twice{place(item)}")
        options[name] = option_value(item.expression, name)
    return FrozenMap(options)


def _create_model(tree: exp.Create, text: str) -> CreateModel:
    name, query = tree.this, tree.expression
    if not isinstance(name, exp.Table):
        raise SqlError("CREATE MODEL takes a name and no column list; the columns are those of its query")
    options: dict[str, Any] = {}
    transform: tuple[exp.Expr, ...] | None = None
    for item in tree.args["properties"].expressions if tree.args.get("properties") else ():
        match item:
            case exp.TransformModelProperty() if transform is None:
                transform = tuple(item.expressions)
            case exp.Property(this=exp.Var() | exp.Identifier() | exp.Literal()):
                option = item.this.name.lower()
                if option in options:
                    raise SqlError(f"option {option} is there twice{place(item.this)}")
                options[option] = option_value(item.args["value"], option)
            case _:
                raise SqlError(f"CREATE MODEL takes TRANSFORM(...) once and OPTIONS(...), not {item.sql(Dialect)}")
    if not isinstance(query, exp.Query):
        if str(options.get("model_type")).lower() not in IMPORTED:
            raise SqlError(f"CREATE MODEL {dotted(name)} has no query; write AS SELECT ... after its OPTIONS")
        query = exp.select("1 AS nothing").where("FALSE")  # a file learns from no rows
    return CreateModel(
        name=dotted(name),
        mode=_mode(tree),
        options=FrozenMap(options),
        transform=transform,
        query=query,
        text=text,
    )


_SPACES = {"HPARAM_RANGE": "HPARAM_RANGE(low, high)", "HPARAM_CANDIDATES": "HPARAM_CANDIDATES([value, ...])"}


def _space(node: exp.Func, option: str) -> Space:
    """Return the search space of an option that is to be tuned."""
    name = node.name.upper()
    given = [option_value(item, option) for item in node.expressions]
    try:
        match name, given:
            case "HPARAM_RANGE", [low, high]:
                return hparam_range(low, high)
            case "HPARAM_CANDIDATES", [[*values]]:  # an array of arrays is written as one of structs
                return hparam_candidates(value[0] if isinstance(value, tuple) else value for value in values)
    except DeclarationError as error:
        raise SqlError(f"option {option}{place(node)}: {error}") from error
    raise SqlError(f"option {option} cannot be {node.sql(Dialect)}{place(node)}; write {_SPACES[name]}")


def option_value(node: exp.Expr, option: str) -> Any:
    """Return the plain value that an option is set to: arrays become lists, structs tuples."""
    match node:
        case exp.Literal():
            return node.name if node.is_string else int(node.name) if node.is_int else float(node.name)
        case exp.Boolean():
            return bool(node.this)
        case exp.Neg(this=exp.Literal()):
            return -option_value(node.this, option)
        case exp.Null():
            return None
        case exp.Paren():
            return option_value(node.this, option)
        case exp.Array() | exp.Tuple():
            return [option_value(item, option) for item in node.expressions]
        case exp.Struct():
            return tuple(option_value(item, option) for item in node.expressions)
        case exp.PropertyEQ() | exp.Alias():
            return option_value(node.expression if isinstance(node, exp.PropertyEQ) else node.this, option)
        case exp.Func() if node.name.upper() in _SPACES:
            return _space(node, option)
        case exp.Func():
            call = node.sql(Dialect)
            raise SqlError(f"option {option} cannot be {call}{place(node)}; it is one value, or {' or '.join(_SPACES)}")
    raise SqlError(f"option {option} takes a plain value, not {node.sql(Dialect)}{place(node)}")
