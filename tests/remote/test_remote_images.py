"""Rows with images, on their way to a server: as they are in a batch, and one by one as base64."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from served_projects import serving

import penstock as ps
from penstock.errors import DataError


def png(shade: int) -> bytes:
    written = io.BytesIO()
    Image.new("L", (6, 4), shade).save(written, "PNG")
    return written.getvalue()


def rows(*shades: int) -> list[dict[str, Any]]:
    return [{"photo": png(shade), "size": shade % 7, "bright": shade / 255} for shade in shades]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[ps.Project, ps.RemoteProject]]:
    root: Path = tmp_path_factory.mktemp("images")
    (root / "penstock.toml").write_text('[engine]\ndefault = "inline"\n')
    here = ps.open(root)
    features = {"shade": ps.col("photo").image(1, mode="L").pixels(), "size": ps.col("size")}
    here.fit(ps.model("dots", type="linear_reg", label="bright", features=features), rows(*range(0, 250, 10)))
    with serving(here) as there:
        yield here, there


def test_a_batch_of_images_is_predicted_there(project: tuple[ps.Project, ps.RemoteProject]) -> None:
    here, there = project
    some = rows(3, 99, 201)
    assert there.predict("dots", some).equals(here.predict("dots", some))


def test_rows_replayed_one_by_one_are_predicted_alike(project: tuple[ps.Project, ps.RemoteProject]) -> None:
    _, there = project
    found = there.verify("dots", rows=rows(3, 99, 201))
    assert found.rows == 3
    assert found.equal


def test_a_bad_image_of_a_batch_is_named_and_not_shown(project: tuple[ps.Project, ps.RemoteProject]) -> None:
    _, there = project
    bad = [*rows(3), {"photo": b"no image " * 500, "size": 1}]
    with pytest.raises(DataError, match="photo") as raised:
        there.predict("dots", bad)
    assert len(str(raised.value)) < 600
