"""`@step`: what a call means outside and inside a pipeline, and which declarations are refused."""

from __future__ import annotations

import pickle
import subprocess
import sys
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple, Optional

import cloudpickle
import pytest

import penstock as ps
from penstock.core.pipeline import Pipeline, Ref, Step
from penstock.errors import DeclarationError, UnknownNameError
from penstock.pipelines import StepFunction, pipeline, step, trace


class Parts(NamedTuple):
    train: ps.Table
    report: dict[str, float]


@step
def read(path: str = "a.csv") -> ps.Table:
    """Read it."""
    raise NotImplementedError


@step
def clean(rows: ps.Table, most: float = 24.0, *, flag: bool = False) -> ps.Table:
    return rows


@step
def split(rows: ps.Table) -> Parts:
    return Parts(rows, {"rows": 1.0})


@step
def judge(rows: ps.Table) -> dict[str, float]:
    return {"mae": 1.0}


@step
def keep(report: Any, name: str | None = None) -> None: ...


@step
def everything(
    a: ps.Table | None,
    b: Optional[ps.ModelGraph],  # noqa: UP045
    c: ps.Source,
    d: Path,
    e: bytes,
    f: str,
    g: int | float | None,
    h: str | int,
    i: list[ps.Table],
    j: ps.Context,
    k,  # type: ignore[no-untyped-def]
    m: typing.Literal["a", "b"] = "a",
) -> str:
    return f


def traced(body: Callable[[], Any]) -> Pipeline:
    return trace(pipeline(name="p")(body))


def steps(body: Callable[[], Any]) -> dict[str, Step]:
    return {step.name: step for step in traced(body).steps}


def test_outside_a_pipeline_a_step_is_its_function() -> None:
    assert judge("anything") == {"mae": 1.0}
    assert clean(3, most=1.0) == 3
    assert judge.__doc__ is None
    assert read.__doc__ == "Read it."


def test_outside_a_pipeline_when_is_a_plain_condition() -> None:
    assert judge(0, when=False) is None
    assert judge(0, when=True) == {"mae": 1.0}


def test_inside_a_pipeline_a_call_records_a_step() -> None:
    def body() -> None:
        keep(judge(clean(read(), 3)), when=judge(read())["mae"] < 5)

    found = steps(body)
    assert list(found) == ["read", "clean", "judge", "read_2", "judge_2", "keep"]
    assert dict(found["clean"].inputs) == {"rows": Ref("read", "result", (), "table"), "most": 3, "flag": False}
    assert found["keep"].upstream() == ("judge_2", "judge")
    assert found["clean"].outputs["result"] == "table"


def test_a_named_tuple_gives_its_fields_as_references() -> None:
    def body() -> None:
        parts = split(read())
        assert isinstance(parts, Parts)
        judge(parts.train)
        train, _ = parts
        judge(train)

    assert dict(steps(body)["split"].outputs) == {"train": "table", "report": "json"}


def test_outputs_may_be_named_in_the_decorator() -> None:
    def body() -> None:
        train, test = step(outputs=("train", "test"))(lambda rows: (rows, rows))(read())
        judge(test)
        judge(train)

    assert steps(body)["judge"].inputs["rows"] == Ref("lambda", "test", (), "any")


def test_annotations_are_kinds_without_being_imported() -> None:
    assert dict(everything.form.kinds) == {
        "a": "table", "b": "model", "c": "source", "d": "file", "e": "bytes", "f": "text", "g": "json", "h": "any",
        "i": "list[table]", "j": "context", "k": "any", "m": "any",
    }  # fmt: skip


def test_type_hints_of_a_step_resolve() -> None:
    assert typing.get_type_hints(judge)["return"] == dict[str, float]
    assert typing.get_type_hints(keep)["name"] == str | None


def test_declaring_and_tracing_load_no_library() -> None:
    code = """
from __future__ import annotations
import sys
import penstock as ps

@ps.step(retries=2, timeout="10m", memory="2GiB")
def clean(rows: ps.Table, x: int = 1) -> ps.Table:
    return rows

@ps.pipeline
def p(n: int = 3):
    clean(clean(None, n))

from penstock.pipelines import trace
trace(p, {"n": "4"})
print([name for name in ("pyarrow", "duckdb", "numpy", "sqlalchemy", "sqlglot") if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "[]", done.stderr


def test_settings_are_checked_and_kept() -> None:
    declared = step(retries=2, timeout="10m", cpus=2, memory="2GiB", modes={"train"}, cache="1h", version="3")(judge)
    needs = declared.settings.needs
    assert (needs.retries, needs.timeout_seconds, needs.cpus, needs.memory_bytes) == (2, 600.0, 2, 2 * 2**30)
    assert declared.settings.modes == {"train"}
    assert declared.settings.cache == 3600.0


def test_configured_is_a_copy_with_other_settings() -> None:
    def body() -> None:
        keep(judge.configured(name="final", retries=3)(read()))

    found = steps(body)
    assert found["final"].needs.retries == 3
    assert judge.settings.needs.retries == 0
    assert found["final"].call is judge


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (lambda: clean(read(), mots=3), ["no parameter named 'mots'", "step 'clean'", "Did you mean 'most'"]),
        (lambda: clean(), ["step 'clean' needs rows", "most"]),
        (lambda: clean(read(), 1, 2), ["takes 2 inputs by position, 3 were given"]),
        (lambda: clean(read(), rows=read()), ["'rows' by position and by name"]),
        (lambda: clean(judge(read())), ["step 'clean' takes a table as 'rows'", "<judge> is a plain value"]),
        (lambda: clean("data/x.csv"), ["step 'clean' takes a table", "ps.read('data/x.csv')"]),
        (lambda: judge(split(read()).report), ["takes a table as 'rows'", "<split.report>"]),
        (lambda: keep(1, when="yes"), ["step 'keep'", "no condition"]),
        (lambda: [clean(r) for r in read()], ["known only when the run gets there"]),
        (lambda: 1 if judge(read())["mae"] < 3 else 2, ["when=<condition>"]),
        (lambda: keep(Ref("elsewhere")), ["<elsewhere> of another pipeline"]),
        (lambda: None, ["calls no step"]),
    ],
)
def test_a_wrong_call_is_an_error_that_names_it(body: Callable[[], Any], words: list[str]) -> None:
    with pytest.raises(DeclarationError) as caught:
        traced(body)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"retires": 2}, ["no setting named 'retires'", "Did you mean 'retries'"]),
        ({"timeout": "10 parsecs"}, ["timeout of step 'judge'", "'10 parsecs'", '"10m"']),
        ({"retry_on": 5}, ["retry_on of step 'judge' has 5", "ConnectionError"]),
        ({"retry_on": (ValueError, "kiled")}, ["no end of a step named 'kiled'", "Did you mean 'killed'"]),
        ({"memory": "lots"}, ["memory of step 'judge'", "2GiB"]),
        ({"modes": ["trian"]}, ["no mode named 'trian'", "Did you mean 'train'"]),
        ({"cache": "soon"}, ["cache of step 'judge'"]),
        ({"outputs": ()}, ["name them"]),
    ],
)
def test_a_wrong_setting_is_an_error_that_names_it(settings: dict[str, Any], words: list[str]) -> None:
    with pytest.raises(DeclarationError) as caught:
        step(**settings)(judge)
    for word in words:
        assert word in str(caught.value)


@pytest.mark.parametrize("function", [lambda *rows: rows, lambda **rows: rows, lambda when: when])
def test_inputs_have_names_and_none_is_when(function: Callable[..., Any]) -> None:
    with pytest.raises(DeclarationError, match=r"names|'when'"):
        traced(lambda: step(function)(1))


def test_a_step_of_a_module_travels_by_name_others_by_value() -> None:
    assert pickle.loads(pickle.dumps(judge)) is judge
    local = step(lambda rows: rows + 1)
    copy = pickle.loads(cloudpickle.dumps(local))
    assert isinstance(copy, StepFunction)
    assert copy(1) == 2


def test_nested_pipelines_give_their_steps_to_the_outer_one() -> None:
    @pipeline
    def inner(rows: Any) -> Any:
        return clean(rows)

    assert list(steps(lambda: judge(inner(read())))) == ["read", "inner.clean", "judge"]
    twice = steps(lambda: judge(inner(inner(read()))))
    assert list(twice) == ["read", "inner.clean", "inner_2.clean", "judge"]


def test_unknown_names_carry_what_is_known() -> None:
    with pytest.raises(UnknownNameError) as caught:
        traced(lambda: clean(read(), mots=3))
    assert caught.value.known == ("rows", "most", "flag")
