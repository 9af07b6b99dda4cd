"""The layer of the running interpreter: what a program needs to start is in it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from penstock.images.elf import read_needs
from penstock.images.interpreter import PYTHON, STANDARD_LIBRARY, interpreter_layer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="an image is made of the running interpreter on Linux")


def test_elf_files_say_what_they_need(tmp_path: Path):
    needs = read_needs(Path("/bin/sh").resolve())
    assert needs is not None
    assert needs.loader.startswith("/lib")
    assert "libc.so.6" in needs.libraries
    (tmp_path / "text").write_text("no program")
    assert read_needs(tmp_path / "text") is None


def test_every_library_that_a_program_of_the_layer_loads_is_in_it():
    layer = interpreter_layer([])
    names = {Path(place).name for place in layer.files}
    assert {PYTHON, "usr/bin/sh", f"{STANDARD_LIBRARY}/os.py", "etc/passwd"} <= set(layer.files)
    for place, file in layer.files.items():
        needs = read_needs(file) if isinstance(file, Path) else None
        if needs is not None:
            assert set(needs.libraries) <= names, place
            assert not needs.loader or Path(needs.loader).name in names, place


def test_neither_tests_nor_other_packages_are_in_it():
    places = interpreter_layer([]).files
    assert not any("site-packages" in place or "/test/" in place or "__pycache__" in place for place in places)
