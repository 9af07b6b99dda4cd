"""Facts about texts: fast ways find what slow ones do, other processes what this one does, and extras are named."""

from __future__ import annotations

import os
import subprocess
import sys

import pyarrow as pa
import pytest

from penstock import transforms
from penstock.core.schema import Schema
from penstock.errors import MissingExtraError
from penstock.operations import col, compile_row, facts, parse
from penstock.operations.analyzers import prepared

_ENV = {"PYTHONPATH": os.pathsep.join(sys.path)}
_SCHEMA = Schema.of(x="string")
_REVIEW = "Absolutely wonderful - silky and comfortable. Love this dress! C'est \u00e0 moi, \u4e0d\u662f\u4f60\u7684"


def test_words_of_latin_letters_are_those_of_any_script() -> None:
    characters = [chr(code) for code in (*range(0x300), *range(0x2010, 0x2028))]
    for character in characters:
        text = f"a{character}b {character} x_{character} n'{character}t"
        assert facts.words_of(text) == facts._any_words()(text), repr(character)


def test_words_without_long_delimiters_are_split_as_with_them() -> None:
    analyze = prepared("LOG_ANALYZER", "")
    for text in ("a-b c", "A[B]^C\\d", "x&&y||z~q--r", "é|Ñ", " ", "a\tb\nc"):
        with_mark = [term for term in analyze(f"{text} 100%") if term != "100"]
        assert analyze(text) == with_mark


def test_another_process_judges_texts_alike() -> None:
    exprs = {"feels": col("x").sentiment(), "tongue": col("x").language(), "facts": col("x").text_stats()}
    here = compile_row(exprs, _SCHEMA)({"x": _REVIEW})
    program = (
        "from penstock.operations import col, compile_row; from penstock.core.schema import Schema; "
        "exprs = {'feels': col('x').sentiment(), 'tongue': col('x').language(), 'facts': col('x').text_stats()}; "
        f"print(ascii(compile_row(exprs, Schema.of(x='string'))({{'x': {_REVIEW!a}}})))"
    )
    for seed in ("1", "2"):
        assert _printed(program, PYTHONHASHSEED=seed) == ascii(here)


@pytest.mark.parametrize(("package", "expr"), [("vaderSentiment", "sentiment"), ("py3langid", "language")])
def test_a_package_that_is_not_installed_is_named_in_both_forms(
    package: str, expr: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    loader = {"sentiment": facts._judge, "language": facts._classifier}[expr]
    loader.cache_clear()
    for name in (package, f"{package}.{package}", f"{package}.langid"):
        monkeypatch.setitem(sys.modules, name, None)
    use = parse(f"PENSTOCK.{expr.upper()}(x)")
    with pytest.raises(MissingExtraError, match=rf"needs the package '{package}'.*penstock\[text\]"):
        transforms.apply({"found": use}, pa.table({"x": ["a"]}))
    with pytest.raises(MissingExtraError, match=r"penstock\[text\]"):
        compile_row({"found": use}, _SCHEMA)({"x": "a"})


def test_no_package_of_texts_is_loaded_before_a_text_comes() -> None:
    loaded = "{'vaderSentiment', 'py3langid', 're2', 'numpy'} & {*sys.modules}"
    head = "import sys; from penstock.operations import col"
    program = f"{head}; col('x').sentiment() + col('x').word_count(); print({loaded})"
    assert _printed(program) == "set()"


def _printed(program: str, **environment: str) -> str:
    command = [sys.executable, "-c", program]
    found = subprocess.run(command, capture_output=True, text=True, check=True, env={**_ENV, **environment})
    return found.stdout.strip()
