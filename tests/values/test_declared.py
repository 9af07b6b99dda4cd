"""Codecs of the user's own types: where they may be declared, and how they are found."""

from __future__ import annotations

import runpy
from pathlib import Path

import pytest

from penstock.errors import DeclarationError, UnknownNameError
from penstock.values import codec, codec_named, codec_of, pickled


class Shape:
    pass


class Square(Shape):
    pass


def test_the_codec_of_a_class_is_that_of_its_nearest_base() -> None:
    made = codec(Shape, save=lambda value, path: None, load=lambda path: Shape())
    assert codec_of(Square()) is made
    assert codec_named(made.reference) is made
    nearer = pickled(Square)
    assert codec_of(Square()) is nearer
    assert (made.safe, nearer.safe) == (True, False)
    assert codec_of(1) is None


def test_a_codec_in_a_script_is_an_error_that_says_where_to_put_it(tmp_path: Path) -> None:
    script = tmp_path / "script.py"
    script.write_text("import penstock as ps\nclass A: pass\nps.codec(A, save=print, load=print)")
    with pytest.raises(DeclarationError, match="move the type and its codec to a module"):
        runpy.run_path(str(script), run_name="__main__")


def test_a_codec_that_cannot_be_found_says_what_is_missing() -> None:
    with pytest.raises(DeclarationError, match=r"kept by the codec nowhere:A, .*put the folder of that module"):
        codec_named("nowhere:A")
    with pytest.raises(UnknownNameError, match="no codec named 'json:A'"):
        codec_named("json:A")
    with pytest.raises(DeclarationError, match="declared for a class, not for 1"):
        codec(1, save=print, load=print)  # type: ignore[arg-type]
