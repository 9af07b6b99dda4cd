"""The tensor form of every operation gives its golden examples through ONNX Runtime, errors included."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from penstock.core.expression import Expr, literal, type_of_value
from penstock.core.operation import Example, Operation
from penstock.core.schema import Field, Schema, element_type, struct_fields
from penstock.errors import ExpressionError
from penstock.operations import OPERATIONS, compile_row, parse, type_of
from penstock.operations.tensors import Lowering, Many, Recorder, Scalar, Struct, Value
from penstock.operations.tensors.forms import HANDLING, STRICT, WHOLE
from penstock.operations.tensors.recording import TENSOR_TYPES
from penstock.operations.tensors.tables import encoded
from penstock.operations.tensors.values import FILLERS
from penstock.operations.tensors.zones import transitions

pytest.importorskip("onnxruntime")

from penstock.operations.tensors.onnx_file import Port, session, to_bytes

NULL, REFUSED = "null", "refused"

UNABLE = {
    ("lower", ("ÉΣ",)), ("lower", ("İ",)), ("upper", ("é",)), ("upper", ("ß",)), ("upper", ("ﬁ",)),
    ("unicode", ("👍🏽",)), ("parse_date", ("  5MAY 2024 ", "%d %B %Y")),
    ("safe_parse_date", ("  5MAY 2024 ", "%d %B %Y")),
    ("safe_timestamp_trunc", (datetime.datetime(1, 1, 1, tzinfo=datetime.UTC), "day", "Asia/Kolkata")),
    ("safe_timestamp_trunc", (datetime.datetime(1, 2, 1, tzinfo=datetime.UTC), "year", "Asia/Kolkata")),
    ("safe_datetime", (datetime.datetime(9999, 12, 31, 23, tzinfo=datetime.UTC), "Asia/Kolkata")),
    ("safe_timestamp", (datetime.datetime(1, 1, 1, 3), "Asia/Kolkata")),
}  # fmt: skip
"""Examples that have a value, and are refused: letters outside ASCII, and years whose zones no table holds."""

NO_FORM = {
    *((name, "string") for name in ("lt", "range_bucket", "greatest")),
    *(("cast", f"{source} to {target}") for source, target in [
        ("float64", "string"), ("string", "bytes"), ("string", "datetime"), ("string", "time"), ("string", "timestamp"),
        ("time", "string"), ("datetime", "string"), ("timestamp", "string")]),
    *(("safe_cast", f"string to {target}") for target in ("time", "timestamp")),
    *(("concat", type) for type in ("int64", "float64", "date")),
}  # fmt: skip
"""Operations that have a form for other types only."""


OF_CONSTANTS = (
    *("starts_with", "ends_with", "substr", "left", "right", "lpad", "rpad", "strpos", "instr", "split", "replace"),
)  # fmt: skip
"""Operations whose arguments after the first must be constants."""


def run(expr: Expr, schema: Schema, rows: Sequence[Mapping[str, Any]]) -> list[Any]:
    """Return the value, as a tensor holds it, NULL or REFUSED, of each row."""
    recorder, inputs = Recorder(), list[Port]()
    columns = {field.name: _column(field, inputs) for field in schema}
    made = Lowering(schema, columns, recorder)
    value = made.tensor(made.value(expr))
    asked = _tensors(value)
    flags = {} if isinstance(value, Struct) else {"null": value.null, "refused": value.refused}
    asked |= {name: ("bool", flag) for name, flag in flags.items() if flag is not None}
    outputs = {Port(name=name, type=type): tensor for name, (type, tensor) in asked.items()}
    run = session(to_bytes(recorder, name="test", inputs=inputs, outputs=outputs, metadata={}), threads=1)
    read = {port.name for port in run.get_inputs()}
    tensors = {name: tensor for name, tensor in _fed(schema, rows).items() if name in read}
    found = dict(zip(asked, run.run(None, tensors), strict=True))
    return [_read(value, found, place, len(rows)) for place in range(len(rows))]


def _column(field: Field, inputs: list[Port]) -> Value:
    """Return a column, its tensors added to the inputs: a struct's fields one by one, an array as a matrix."""
    name, type = field.name, field.type
    if type.startswith("struct<"):
        members = {each: _column(Field(f"{name}.{each}", own), inputs) for each, own in struct_fields(type)}
        return Struct(type=type, members=members)
    inputs.append(Port(name=f"{name}?", type="bool"))
    if type.startswith("array<"):
        item = element_type(type)
        flags = [f"{name}!", f"{name}?!"]
        inputs += [Port(name=flag, type="bool", dimensions=("rows", f"items of {name}")) for flag in flags]
        inputs.append(Port(name=name, type=TENSOR_TYPES[item], dimensions=("rows", f"items of {name}")))
        return Many(type=type, items=Scalar(type=item, data=name, null=flags[1]), present=flags[0], null=f"{name}?")
    inputs.append(Port(name=name, type=TENSOR_TYPES[type]))
    return Scalar(type=type, data=name, null=f"{name}?")


def _tensors(value: Any) -> dict[str, tuple[str, str]]:
    if isinstance(value, Many):
        members = value.items.members if isinstance(value.items, Struct) else {"item": value.items}
        found = {name: (TENSOR_TYPES[member.type], member.data) for name, member in members.items()}
        absent = (
            {}
            if isinstance(value.items, Struct) or value.items.null is None
            else {"absent": ("bool", value.items.null)}
        )
        return found | {"present": ("bool", value.present)} | absent
    if isinstance(value, Struct):
        tensors = {}
        for name, member in value.members.items():
            tensors[name] = TENSOR_TYPES[member.type], member.data
            flags = {f"{name} is null": member.null, f"{name} is refused": member.refused}
            tensors |= {flag: ("bool", tensor) for flag, tensor in flags.items() if tensor is not None}
        return tensors
    return {"value": (TENSOR_TYPES[value.type], value.data)}


def _fed(schema: Schema, rows: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    tensors: dict[str, Any] = {}
    for field in schema:
        tensors |= _fed_column(field, [row[field.name] for row in rows])
    return tensors


def _fed_column(field: Field, values: Sequence[Any]) -> dict[str, Any]:
    name, type = field.name, field.type
    if type.startswith("struct<"):
        members = [
            (Field(f"{name}.{each}", own), [value[each] for value in values]) for each, own in struct_fields(type)
        ]
        return {key: tensor for member in members for key, tensor in _fed_column(*member).items()}
    flags = {f"{name}?": np.array([value is None for value in values])}
    if not type.startswith("array<"):
        return flags | {name: _encoded(values, type)}
    width = max([1, *(len(value or ()) for value in values)])  # all forms make arrays with a column at least
    wide = [[*(value or ()), *[None] * (width - len(value or ()))] for value in values]
    return flags | {
        name: np.array([_encoded(row, element_type(type)) for row in wide]),
        f"{name}!": np.array([[place < len(value or ()) for place in range(width)] for value in values]),
        f"{name}?!": np.array([[item is None for item in row] for row in wide]),
    }


def _encoded(values: Sequence[Any], type: str) -> Any:
    tensor = TENSOR_TYPES[type]
    filled = [FILLERS[tensor] if value is None else encoded(value, type) for value in values]
    return np.array(filled, dtype=object if tensor == "string" else tensor)


def _read(value: Any, found: Mapping[str, Any], place: int, rows: int) -> Any:
    row = {
        name: np.broadcast_to(tensor, (rows, *tensor.shape[1:]) if tensor.ndim else (rows,))[place]
        for name, tensor in found.items()
    }
    if row.get("refused"):
        return REFUSED
    if row.get("null"):
        return NULL
    if isinstance(value, Many):
        names = [name for name in row if name not in ("present", "null", "refused", "absent")]
        if "absent" in row:
            row[names[0]] = np.where(row["absent"], None, row[names[0]])
        kept = zip(*(row[name][row["present"]] for name in names), strict=True)
        return [dict(zip(names, item, strict=True)) if len(names) > 1 else item[0] for item in kept]
    if isinstance(value, Struct):
        if any(row.get(f"{name} is refused") for name in value.members):
            return REFUSED
        return {name: None if row.get(f"{name} is null") else row[name] for name in value.members}
    return row["value"]


def _expected(value: Any, type: str) -> Any:
    if isinstance(value, dict):
        return value
    return NULL if value is None else value if isinstance(value, list) else encoded(value, type)


def _same(one: Any, other: Any) -> bool:
    match other:
        case str() if other == NULL and isinstance(one, dict):
            return all(value is None for value in one.values())  # a struct is there, its fields may be NULL
        case list():
            return isinstance(one, list) and len(one) == len(other) and all(map(_same, one, other))
        case dict():
            return all(_same(one[name], value) for name, value in other.items())
        case float() if not isinstance(one, str):
            return bool(one == other or math.isclose(one, other, rel_tol=1e-13) or (one != one and other != other))
    return bool(one == other)


def _cases(formed: bool) -> Iterator[object]:
    for operation in OPERATIONS.values():
        has = bool({operation.name, operation.name.removeprefix("safe_")} & {*STRICT, *HANDLING, *WHOLE})
        for example in operation.examples:
            types = [type for type, _ in _arguments(operation, example)]
            if has is formed and all(map(_fits, example.arguments, example.types or types)):
                shown = f"{operation.name}({', '.join(map(repr, example.arguments))})"
                yield pytest.param(operation, example, id=shown[:100].encode("unicode_escape").decode())


def _fits(value: Any, type: str) -> bool:
    """Tell whether tensors hold an argument; there is no struct that is NULL as a whole."""
    if type.startswith("struct<"):
        return value is not None and all(own in TENSOR_TYPES for _, own in struct_fields(type))
    return type in TENSOR_TYPES or (type.startswith("array<") and element_type(type) in TENSOR_TYPES)


def _arguments(operation: Operation, example: Example) -> list[tuple[str, Any]]:
    """Return type and value of each argument that is a column."""
    return [(type, value) for type, value, constant in _all_arguments(operation, example) if not constant]


def _all_arguments(operation: Operation, example: Example) -> list[tuple[str, Any, bool]]:
    found = []
    for place, value in enumerate(example.arguments):
        parameter = operation.parameters[min(place, len(operation.parameters) - 1)]
        type = example.types[place] if place < len(example.types) else type_of_value(value)
        pattern = bool(place) and operation.name.removeprefix("safe_") in OF_CONSTANTS
        found.append((type, value, parameter.constant or pattern or type == "null"))
    return found


def _call(operation: Operation, example: Example) -> tuple[Expr, Schema, dict[str, Any]]:
    arguments: list[Expr] = []
    fields, row = [], {}
    for place, (type, value, constant) in enumerate(_all_arguments(operation, example)):
        if constant:
            arguments.append(literal(value, as_type=type))
        else:
            fields.append(Field(f"x{place}", type))
            row[f"x{place}"] = value
            arguments.append(Expr("column", (f"x{place}",)))
    return Expr(operation.name, tuple(arguments)), Schema(tuple(fields)), row


def _formless(operation: Operation, example: Example) -> bool:
    """Tell whether the operation has a form for other arguments only."""
    match operation.name.removeprefix("safe_"), example.arguments:
        case "substr", (_, position, *_):
            return bool(position) and position > 500
        case "instr", (_, other, *place):
            return None not in place and (not other or place not in ([], [1], [1, 1]))
        case "split", (_, ""):
            return True
        case "text_analyze", (_, analyzer, *options):
            return analyzer == "PATTERN_ANALYZER" or any(mode in repr(options) for mode in ("UNICODE", "ICU"))
        case "feature_cross", ({"b": 2.5}, _):
            return True
    return (operation.name, _kind(operation, example)) in NO_FORM


def _kind(operation: Operation, example: Example) -> str:
    types = [type for type, _ in _arguments(operation, example)] or [""]
    type = next((type for type in types if operation.name == "concat" and type != "string"), types[0])
    return f"{type} to {example.arguments[1]}" if operation.name.endswith("cast") else type


@pytest.mark.parametrize(("operation", "example"), list(_cases(formed=True)))
def test_onnx_runtime_gives_the_golden_value(operation: Operation, example: Example) -> None:
    expr, schema, row = _call(operation, example)
    if "\\x00" in repr(example.arguments):
        with pytest.raises(ExpressionError, match="zero character"):
            run(expr, schema, [row])
        return
    if _formless(operation, example):
        with pytest.raises(ExpressionError, match=f"(cast|{operation.name}) has no form in ONNX"):
            run(expr, schema, [row])
        return
    [found] = run(expr, schema, [row])
    if example.raises or any(case == (operation.name, example.arguments) for case in UNABLE):
        assert found == REFUSED
    else:
        assert _same(found, _expected(example.value, type_of(expr, schema)))


@pytest.mark.parametrize(("operation", "example"), list(_cases(formed=False)))
def test_an_operation_without_a_form_is_named(operation: Operation, example: Example) -> None:
    expr, schema, row = _call(operation, example)
    if not any(expr.op == "column" for expr in expr.args) or _few(schema):
        return  # of constants, or of flags, it is a table
    with pytest.raises(ExpressionError, match=operation.name):
        run(expr, schema, [row])


def _few(schema: Schema) -> bool:
    return all(field.type == "bool" for field in schema)


_MOMENTS = st.datetimes(datetime.datetime(1901, 1, 1), datetime.datetime(2099, 12, 30))
_COLUMNS = Schema.of(d="date", w="datetime", t="timestamp", n="int64", x="float64", s="string", b="bool")
_ROW = st.fixed_dictionaries({
    "d": st.none() | st.dates(datetime.date(1, 1, 8), datetime.date(9990, 1, 1)),
    "w": st.none() | _MOMENTS,
    "t": st.none() | _MOMENTS.map(lambda moment: moment.replace(tzinfo=datetime.UTC)),
    "n": st.none() | st.integers(-(2**63), 2**63 - 1) | st.integers(-50, 50),
    "x": st.none() | st.floats() | st.floats(-100, 100),
    "s": st.none()
    | st.sampled_from(["", "a", "Abc", "12", "2024-05-05", "é", "a b", "Hyde Park, Soho", " b aa\t", "x" * 30]),
    "b": st.none() | st.booleans(),
})  # fmt: skip
_PARTS = "DAY WEEK ISOWEEK MONTH QUARTER YEAR ISOYEAR DAYOFWEEK DAYOFYEAR"
_ZONES = ("America/New_York", "Europe/London", "Asia/Kolkata", "Australia/Lord_Howe", "America/Sao_Paulo")
TEXTS = [
    *(f"EXTRACT({part} FROM {column})" for part in _PARTS.split() for column in "dt"),
    *(f"EXTRACT(HOUR FROM t AT TIME ZONE '{zone}')" for zone in _ZONES),
    *(f"TIMESTAMP(w, '{zone}')" for zone in _ZONES),
    *(f"DATE_TRUNC(d, {part})" for part in ("WEEK", "WEEK(TUESDAY)", "MONTH", "QUARTER", "YEAR", "ISOYEAR")),
    *(f"LAST_DAY(d, {part})" for part in ("WEEK", "MONTH", "QUARTER", "YEAR", "ISOYEAR")),
    *(f"DATE_DIFF(d, DATE '1987-06-05', {part})" for part in ("DAY", "WEEK", "MONTH", "QUARTER", "YEAR", "ISOYEAR")),
    *(f"DATE_ADD(d, INTERVAL EXTRACT(HOUR FROM w) {part})" for part in ("DAY", "WEEK", "MONTH", "QUARTER", "YEAR")),
    "TIMESTAMP_TRUNC(t, DAY, 'America/New_York')",
    "SIN(2 * ACOS(-1) * EXTRACT(HOUR FROM t) / 24) * COS(EXTRACT(MONTH FROM t))",
    "CONCAT(CAST(EXTRACT(DAYOFWEEK FROM t) AS STRING), '_', FORMAT('%02d', 7))".replace("FORMAT('%02d', 7)", "'7'"),
    "REGEXP_EXTRACT(CAST(EXTRACT(DAYOFWEEK FROM d) AS STRING), r'[2-5]')",
    "TO_HEX(MD5(ML.BUCKETIZE(x, [-1.5, 0.0, 20.5])))",
    "ATAN(x)", "n + 1", "n * n", "n * 3 - 7",
    "ABS(n)", "-n", "MOD(n, 7)", "DIV(n, -3)", "SAFE_MULTIPLY(n, n)", "SAFE.LN(x)",
    "LN(x)", "SQRT(x) + 1", "IF(x > 0, LN(x), -1.0)", "IF(n > 0, SQRT(x), 5.0)", "COALESCE(x, n, 1)", "IFNULL(n, 3)",
    "ROUND(x, 1)", "TRUNC(x)", "CAST(x AS INT64)", "SAFE_CAST(x AS INT64)", "SAFE_CAST(s AS INT64)",
    "CAST(n AS STRING)",
    "SAFE_CAST(s AS DATE)", "CAST(d AS STRING)", "s LIKE 'H%'", "STARTS_WITH(s, 'A')", "REGEXP_CONTAINS(s, r'^[a-z]')",
    "s IN ('a', '12')", "b AND x > 0", "b OR n IS NULL", "NOT b", "CASE WHEN b THEN s WHEN x > 1 THEN 'more' END",
    *(f"LENGTH(ARRAY_TO_STRING({array}, '|'))" for array in ("SPLIT(s, ' ')", "[s, CAST(n AS STRING)]", "SPLIT(s)")),
    "LENGTH(s)", "BYTE_LENGTH(s)", "SUBSTR(s, 2, 3)", "SUBSTR(s, -3, 2)", "RIGHT(s, 4)", "LEFT(s, 2)", "STRPOS(s, 'b')",
    "REPLACE(s, 'a', 'oo')", "TRIM(s)", "LTRIM(s, 'aH')", "LPAD(s, 6, '*')", "RPAD(CAST(n AS STRING), 24)",
    "SPLIT(s, ' ')[SAFE_OFFSET(1)]", "SPLIT(s)[OFFSET(1)]", "ARRAY_LENGTH(SPLIT(s, ' '))",
    "ARRAY_TO_STRING(ML.NGRAMS(SPLIT(s, ' '), [1, 2], '_'), ';')", "ARRAY_TO_STRING(TEXT_ANALYZE(s), ';')",
    "FORMAT_TIMESTAMP('%A %d %B %Y %H:%M:%E3S', t, 'America/New_York')", "FORMAT_DATE('%j %V %G %a %Q %y', d)",
    "FORMAT_DATETIME('%F %I %p %E6S', w)", "PARSE_DATE('%Y-%m-%d', CAST(d AS STRING))", "SAFE.PARSE_DATE('%F', s)",
    "ML.FEATURE_CROSS(STRUCT(s, CAST(b AS STRING) AS t, CAST(n AS STRING) AS n), 2).s_t", "SINH(x / 50)",
    "ML.POLYNOMIAL_EXPAND(STRUCT(x, n), 2).x_n", "ST_DISTANCE(ST_GEOGPOINT(x, x / 2), ST_GEOGPOINT(1.0, 50.0)) < 1e6",
    "GREATEST(x, 1.5, CAST(n AS FLOAT64))", "NULLIF(n, 3)", "RANGE_BUCKET(x, [0.0, 1.0, 5.5])", "n > 3 OR s = 'a'",
]  # fmt: skip
_SOME = settings(
    max_examples=8, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.mark.parametrize("text", TEXTS)
@_SOME
@given(rows=st.lists(_ROW, min_size=1, max_size=20))
def test_tensors_give_what_the_row_form_gives(text: str, rows: list[dict[str, Any]]) -> None:
    expr = parse(text)
    type, compute = type_of(expr, _COLUMNS), compile_row({"value": expr}, _COLUMNS)
    exact = not any(word in text for word in ("LN(", "SQRT", "ATAN", "SINH"))
    for row, found in zip(rows, run(expr, _COLUMNS, rows), strict=True):
        try:
            expected = _expected(compute(row)[0], type)
        except ExpressionError:
            expected = REFUSED
        assert found == expected if exact and found == found else _same(found, expected), row


def test_what_is_not_computed_is_not_refused() -> None:
    rows = [{"x": 0.0, "y": 3.0}, {"x": 2.0, "y": 3.0}, {"x": None, "y": 3.0}]
    schema = Schema.of(x="float64", y="float64")
    assert run(parse("IF(x = 0, -1.0, y / x)"), schema, rows) == [-1.0, 1.5, NULL]
    assert run(parse("y / x"), schema, rows) == [REFUSED, 1.5, NULL]


@pytest.mark.parametrize("zone", ["America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Europe/Dublin"])
def test_every_change_of_the_clock_is_in_the_table(zone: str) -> None:
    at = [datetime.datetime(1970, 1, 1) + datetime.timedelta(seconds=second) for second, *_ in transitions(zone)[1]]
    near = [datetime.timedelta(minutes=minutes) for minutes in (-121, -61, -31, -1, 0, 1, 29, 59, 61, 121)]
    moments = [moment + distance for moment in at for distance in near]
    for text, column in ((f"DATETIME(t, '{zone}')", "t"), (f"TIMESTAMP(w, '{zone}')", "w")):
        expr = parse(text)
        utc = datetime.UTC if column == "t" else None
        rows = [{column: moment.replace(tzinfo=utc)} for moment in moments]
        schema = Schema((_COLUMNS[column],))
        compute = compile_row({"value": expr}, schema)
        expected = [encoded(compute(row)[0], type_of(expr, schema)) for row in rows]
        assert run(expr, schema, rows) == expected


def test_arcs_are_exact_to_ten_digits() -> None:
    rows = [{"x": x} for x in np.linspace(-1, 1, 4001)]
    for name, function in (("ASIN", math.asin), ("ACOS", math.acos), ("ATAN", math.atan)):
        found = run(parse(f"{name}(x)"), Schema.of(x="float64"), rows)
        assert found == pytest.approx([function(row["x"]) for row in rows], rel=1e-10, abs=1e-15)
