"""The fluent file is what its generator writes, and importing it loads no library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from penstock.errors import ExpressionError
from penstock.operations import LEARNED, OPERATIONS, Expression, col, fluent, generate, reference


def test_the_checked_in_file_is_what_the_generator_writes() -> None:
    assert Path(fluent.__file__).read_text(encoding="utf-8") == generate.generate(), (
        "run: python -m penstock.operations.generate"
    )


def test_the_page_of_operations_is_what_the_generator_writes() -> None:
    page = Path(__file__).parents[2] / "docs" / "operations.md"
    assert page.read_text(encoding="utf-8") == reference.reference(), "run: python -m penstock.operations.generate"


def test_importing_the_table_loads_no_library() -> None:
    program = (
        "import sys, penstock.operations as o; o.col('a').ln(); "
        "print([m for m in ('sqlglot', 'duckdb', 'pyarrow', 'numpy', 'sqlalchemy', 're2') if m in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_every_operation_is_a_method_or_an_operator() -> None:
    operators = {"add", "subtract", "multiply", "divide", "and", "or", "not", "negate", "struct"}
    renamed = {"in": "is_in"}
    missing = [name for name in (*OPERATIONS, *LEARNED) if not hasattr(Expression, renamed.get(name, name))]
    assert set(missing) == operators


def test_arguments_equal_to_a_default_make_the_same_expression() -> None:
    assert col("x").round(0) == col("x").round()
    assert col("t").hour("UTC") == col("t").hour()
    assert col("x").label_encoder(32000, 5) == col("x").label_encoder()
    assert col("x").label_encoder(10, 5) != col("x").label_encoder()


def test_a_wrong_number_of_arguments_is_refused_at_once() -> None:
    with pytest.raises(TypeError):
        col("x").ln(2)  # type: ignore[call-arg]
    with pytest.raises(ExpressionError, match="ln takes"):
        fluent.call(Expression, "ln", col("x"), 2)
