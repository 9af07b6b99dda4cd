"""What goes into an image: the files of requirements that a project may have, and what this environment has of them."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.errors import ContainerError, DeclarationError
from penstock.images.packages import files_of, installed, wanted


def names_of(root: Path, name: str = "") -> set[str]:
    return {requirement.name for requirement in wanted(root, name).requirements}


def test_a_project_without_requirements_needs_penstock(tmp_path: Path):
    assert names_of(tmp_path) == {"penstock"}
    assert wanted(tmp_path).file is None


def test_a_lock_with_hashes_markers_and_comments_is_read(tmp_path: Path):
    (tmp_path / "requirements.txt").write_text(
        "# a comment\nclick==8.3.0 ; sys_platform != 'win32' \\\n    --hash=sha256:aa \\\n    --hash=sha256:bb\n"
        "\nnumpy>=2 # why\n"
    )
    assert names_of(tmp_path) == {"penstock", "click", "numpy"}


def test_a_pylock_is_read(tmp_path: Path):
    (tmp_path / "pylock.toml").write_text(
        'lock-version = "1.0"\ncreated-by = "a test"\n[[packages]]\nname = "click"\nversion = "8.3.0"\n'
        '[[packages.wheels]]\nname = "click-8.3.0-py3-none-any.whl"\nhashes = { sha256 = "aa" }\n'
        'url = "https://example.org/click-8.3.0-py3-none-any.whl"\n'
    )
    assert names_of(tmp_path) == {"penstock", "click"}


@pytest.mark.parametrize("line", ["-r other.txt", "--extra-index-url x", "not a requirement at all"])
def test_a_line_that_is_no_requirement_is_an_error_that_shows_it(tmp_path: Path, line: str):
    (tmp_path / "requirements.txt").write_text(line)
    with pytest.raises(DeclarationError, match=line.split()[0]):
        wanted(tmp_path)


def test_a_named_file_that_is_not_there_is_an_error(tmp_path: Path):
    with pytest.raises(DeclarationError, match=r"no file .*other\.lock"):
        wanted(tmp_path, "other.lock")


def test_what_is_installed_comes_with_all_that_it_needs(tmp_path: Path):
    (tmp_path / "requirements.txt").write_text("penstock\npytest")
    found = installed(wanted(tmp_path))
    assert {"penstock", "pytest", "pluggy", "pyarrow", "duckdb", "blake3"} <= set(found)
    assert "ruff" not in found


@pytest.mark.parametrize(("line", "message"), [("no-such-thing==1", "not installed"), ("click==0.1", "click==0.1 is")])
def test_what_this_environment_lacks_is_named(tmp_path: Path, line: str, message: str):
    (tmp_path / "requirements.txt").write_text(line)
    with pytest.raises(ContainerError, match=message):
        installed(wanted(tmp_path))


def test_a_distribution_s_files_are_its_modules_and_what_lies_beside(tmp_path: Path):
    (tmp_path / "requirements.txt").write_text("click")
    places = {place for place, _ in files_of(installed(wanted(tmp_path))["click"])}
    assert {"click/__init__.py", "click/core.py"} <= places
    assert any(place.endswith(".dist-info/METADATA") for place in places)
    assert not any("__pycache__" in place or place.startswith("..") for place in places)
