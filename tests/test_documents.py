"""ARCHITECTURE.md, README.md and docs/ name only what is there: rooms, files, names of the vocabulary, links."""

from __future__ import annotations

import dataclasses
import importlib.util
import re
import tomllib
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from penstock.core.run import State
from penstock.core.schema import SCALAR_TYPES
from penstock.core.units import memory_bytes
from penstock.engines.registry import ENGINES
from penstock.pipelines.planning import PlannedStep
from penstock.project.config import SECTIONS

ROOT = Path(__file__).parents[1]
SOURCE = ROOT / "src" / "penstock"
ARCHITECTURE = (ROOT / "ARCHITECTURE.md").read_text()
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").rglob("*.md"))]


specification = importlib.util.spec_from_file_location("contents", ROOT / "tools" / "contents.py")
contents = importlib.util.module_from_spec(specification)
specification.loader.exec_module(contents)


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


def test_every_page_is_on_the_list_of_pages():
    listed = set(re.findall(r"\]\(([^)#]+)\)", (DOCS / "README.md").read_text()))
    assert {page.name for page in DOCS.glob("*.md")} - {"README.md"} <= listed


def test_every_long_page_lists_its_sections():
    lists = {page.name: page.read_text() for page in DOCS.glob("*.md") if page.name not in contents.GENERATED}
    stale = [name for name, text in lists.items() if contents.with_contents(text) != text]
    assert stale == [], "run: python tools/contents.py"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_to_a_section_leads_to_one(page):
    for file, section in re.findall(r"\]\((?!https?:)([^)#]*)#([^)]+)\)", page.read_text()):
        headings = re.findall(r"^#+ (.+)$", (page.parent / file if file else page).read_text(), re.MULTILINE)
        assert section in {contents.anchor(heading) for heading in headings}, (file, section)


def test_every_extra_is_on_the_list_of_what_to_install():
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    listed = (DOCS / "README.md").read_text().partition("## What to install")[2]
    assert set(extras) - {"demo"} <= set(re.findall(r"`([a-z]+)`", listed))


def test_the_page_of_the_configuration_has_every_key_and_its_default():
    block = re.search(r"^```toml\n(.*?)^```$", (DOCS / "configuration.md").read_text(), re.MULTILINE | re.DOTALL)
    said = tomllib.loads(re.sub(r"^# (?=\w+ = )", "", block.group(1), flags=re.MULTILINE))
    for section, cls in SECTIONS.items():
        keys = {each.name: getattr(cls(), each.name) for each in dataclasses.fields(cls)}
        assert set(said[section]) == set(keys), section
        for name, default in keys.items():
            told = said[section][name]
            told = tuple(told) if isinstance(told, list) else told
            assert default is None or told == default or memory_bytes(told, name) == default, (section, name)
