"""Plain values are held to a step's annotations: when declared, and when returned."""

from __future__ import annotations

from pathlib import Path

import pytest

import penstock as ps
from penstock.errors import DeclarationError
from penstock.pipelines import trace


@ps.step
def count(limit: int, share: float = 0.5, names: list[str] | None = None) -> int:
    """Return a number, or what is asked for."""
    return "many" if limit > 9 else limit


@pytest.mark.parametrize(
    "given", [{"limit": "x"}, {"limit": True}, {"limit": 1, "share": "half"}, {"limit": 1, "names": 3}]
)
def test_a_value_of_another_type_is_refused_when_declared(given: dict) -> None:
    @ps.pipeline
    def wrong() -> None:
        count(**given)

    with pytest.raises(DeclarationError, match="step 'count' takes"):
        trace(wrong)


def test_values_that_fit_and_references_are_taken() -> None:
    @ps.pipeline
    def right() -> None:
        first = count(1, share=1, names=["a"])
        count(first)

    assert [step.name for step in trace(right).steps] == ["count", "count_2"]


def test_a_step_that_returns_another_type_than_it_declares_fails_and_says_so(tmp_path: Path) -> None:
    @ps.pipeline
    def lies() -> None:
        count(10)

    run = ps.open(tmp_path).run(lies, engine="inline")
    assert run.state == "failed"
    assert "step 'count' declares that it returns 'int', but returned a str" in run.steps["count"].record.error
