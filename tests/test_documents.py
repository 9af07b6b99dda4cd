"""ARCHITECTURE.md, README.md and docs/ name only what is there: rooms, files, names of the vocabulary, links."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from penstock.core.run import State
from penstock.core.schema import SCALAR_TYPES
from penstock.engines.registry import ENGINES
from penstock.pipelines.planning import PlannedStep

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "penstock"
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text()
PAGES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").rglob("*.md"))]


def test_the_house_of_the_architecture_is_the_house_that_is_checked():
    drawing = re.search(r"^## The house.*?^```\n(.*?)^```$", ARCHITECTURE, re.MULTILINE | re.DOTALL).group(1)
    rooms = re.findall(r"^ ([a-z]\S*(?: \| [a-z]+)*)", drawing, re.MULTILINE)
    drawn = [name for line in rooms for name in line.split(" | ")]
    contract = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["importlinter"]["contracts"][0]
    layers = [name for layer in contract["layers"] for name in layer.split(" | ")]
    assert drawn == [name for name in layers if name != "__main__"]


def test_every_file_that_the_architecture_names_is_there():
    named = re.findall(r"`((?:[a-z_]+/)+(?:[a-z_]+\.py)?)`", ARCHITECTURE)
    assert len(named) > 10
    places = (ROOT, SOURCE, SOURCE.parent)
    assert [name for name in named if not any((place / name).exists() for place in places)] == []


def test_every_name_in_capitals_that_the_architecture_names_is_defined_in_the_file_beside_it():
    for name, file in re.findall(r"`([A-Z_]+)` in `([a-z_/]+\.py)`", ARCHITECTURE):
        assert re.search(rf"^{name}\b", (SOURCE / file).read_text(), re.MULTILINE), (name, file)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page):
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", page.read_text())
    assert [link for link in links if not (page.parent / link).exists()] == []


def test_the_vocabulary_has_every_type_state_and_engine():
    vocabulary = (ROOT / "docs" / "vocabulary.md").read_text()
    types = re.search(r"^Types: `([^`]+)`", vocabulary, re.MULTILINE).group(1).split()
    assert set(SCALAR_TYPES) <= set(types)
    states = re.search(r"\*\*state\*\* \| ([^\n]*)", vocabulary).group(1)
    assert {*get_args(State), *get_args(get_type_hints(PlannedStep)["state"])} <= set(re.findall(r"[a-z_]+", states))
    engines = re.search(r"\*\*engine\*\* \| ([^\n]*)", vocabulary).group(1)
    assert {name for name in re.findall(r"`([a-z]+)`", engines)} == set(ENGINES)


def test_every_make_command_that_a_page_names_is_there():
    known = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for page in PAGES:
        assert set(re.findall(r"`make ([a-z-]+)`", page.read_text())) <= known, page
