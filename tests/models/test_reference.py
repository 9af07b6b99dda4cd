"""The page of models is what the tables say."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.models.learning.learners import LEARNERS
from penstock.models.reference import reference

PAGE = Path(__file__).parents[2] / "docs" / "models.md"


def test_the_page_is_what_the_tables_say():
    assert PAGE.read_text(encoding="utf-8") == reference(), "run: python -m penstock.models.reference"


@pytest.mark.parametrize("type", LEARNERS)
def test_every_type_and_option_is_there_with_its_meaning(type):
    page = PAGE.read_text(encoding="utf-8")
    assert f"| `{type}` |" in page
    for name, option in LEARNERS[type].options.items():
        assert option.meaning
        assert f"| `{name}` |" in page


def test_the_metrics_on_the_page_are_those_of_the_graphs(graph):
    row = next(line for line in reference().splitlines() if line.startswith(f"| `{graph.facts['type']}` |"))
    assert row.split(" | ")[2].split(", ") == list(graph.facts["evaluation"])
