"""Values of the user's own types, and figures and metrics, between the steps of a real project on disk."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest
from project_runs import run_project

SHAPES = """
    import json
    import penstock as ps

    class Shape:
        def __init__(self, sides):
            self.sides = sides

    class Square(Shape):
        pass

    def save(value, path):
        path.mkdir()
        (path / "shape.json").write_text(json.dumps(value.sides))

    def load(path):
        return Shape(json.loads((path / "shape.json").read_text()))

    ps.codec(Shape, save=save, load=load)
"""
STEPS = """
    from __future__ import annotations
    import penstock as ps
    from typing import Any
    from shapes import Shape, Square

    @ps.step
    def draw(sides: int) -> Shape:
        return Square(sides)

    @ps.step
    def draws() -> Any:
        return [Shape(1), Shape(2)]

    @ps.step
    def count(shape: Shape) -> int:
        return shape.sides

    @ps.step
    def count_all(shapes: list[Shape], first: Any) -> int:
        return sum(shape.sides for shape in shapes) + first.sides

    @ps.step
    def other(x: int) -> int:
        return x

    @ps.pipeline
    def all_steps():
        other(count(draw(4)))
        many = draws()
        count_all(many, many[0])
"""


def write(folder: Path, **files: str) -> None:
    for name, text in files.items():
        (folder / f"{name}.py").write_text(dedent(text))


def states(folder: Path) -> dict[str, str]:
    found = run_project(folder)
    assert {name: step.error for name, step in found.items() if step.error} == {}
    return {name: step.state for name, step in found.items()}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    write(tmp_path, shapes=SHAPES, steps=STEPS)
    return tmp_path


def test_a_type_with_a_codec_passes_between_steps_and_is_up_to_date_the_next_time(project: Path) -> None:
    assert set(states(project).values()) == {"succeeded"}
    assert set(states(project).values()) == {"up_to_date"}


def test_a_changed_codec_runs_what_it_kept_again_and_what_takes_it(project: Path) -> None:
    states(project)
    write(project, shapes=SHAPES.replace("json.dumps(value.sides)", "json.dumps(value.sides + 1)"))
    found = run_project(project)
    assert {name: step.state for name, step in found.items()} == dict.fromkeys(
        ["draw", "count", "other", "draws", "count_all"], "succeeded"
    )
    assert found["draw"].reason == "code of the codec shapes:Shape, which keeps what it takes or gives, changed"
    write(project, shapes=SHAPES)
    assert states(project) == {
        "draw": "succeeded", "draws": "succeeded", "count": "up_to_date", "other": "up_to_date",
        "count_all": "up_to_date",
    }  # fmt: skip


def test_a_comment_in_a_codec_runs_nothing_again(project: Path) -> None:
    states(project)
    write(project, shapes=SHAPES.replace("path.mkdir()", "path.mkdir()  # a folder"))
    assert set(states(project).values()) == {"up_to_date"}


def test_a_type_without_a_codec_is_an_error_that_says_how_to_declare_one(project: Path) -> None:
    write(project, shapes=SHAPES.replace("ps.codec(", "str(").replace("save=save, load=load", ""))
    error = run_project(project)["draw"].error
    assert "gave a shapes.Square as 'result', which no codec can keep" in error
    assert "ps.codec(Square, save=..., load=...)" in error


def test_a_codec_that_writes_nothing_is_an_error(project: Path) -> None:
    write(project, shapes=SHAPES.replace("path.mkdir()", "return"))
    assert "the codec shapes:Shape wrote nothing at the path" in run_project(project)["draw"].error


def test_a_pickled_type_passes_too_and_says_that_it_is_unsafe(project: Path) -> None:
    write(project, shapes=SHAPES.replace("ps.codec(Shape, save=save, load=load)", "ps.pickled(Shape)"))
    assert set(states(project).values()) == {"succeeded"}
