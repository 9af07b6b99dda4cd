"""Images come into tables as bytes: from folders, by paths in rows, from arrays and Pillow's images."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from PIL import Image

import penstock as ps
from penstock import tables
from penstock.errors import DataError
from penstock.operations.pictures import decoded


@pytest.fixture
def photos(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for at, (name, colour) in enumerate([("cats/1.png", "red"), ("cats/2.jpg", "green"), ("dogs/1.png", "blue")]):
        path = tmp_path / "photos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (4 + at, 3), colour).save(path)
    (tmp_path / "secret.png").write_bytes((tmp_path / "photos/cats/1.png").read_bytes())
    return tmp_path / "photos"


@pytest.mark.parametrize("images", ["photos", "photos/**/*.*"])
def test_a_folder_of_images_is_a_table(photos: Path, images: str) -> None:
    rows = ps.read_images(images)
    assert rows.column_names == ["path", "folder", "image", "width", "height"]
    assert rows["path"].to_pylist() == ["cats/1.png", "cats/2.jpg", "dogs/1.png"]
    assert rows["folder"].to_pylist() == ["cats", "cats", "dogs"]
    assert rows["image"].to_pylist()[2] == (photos / "dogs/1.png").read_bytes()
    assert (rows["width"].to_pylist(), rows["height"].to_pylist()) == ([4, 5, 6], [3, 3, 3])
    assert ps.read(images).equals(rows.select(["path", "folder", "image"]))


def test_a_file_that_moves_to_another_folder_is_another_table(photos: Path) -> None:
    before = tables.resolve("photos", root=photos.parent)
    (photos / "cats/1.png").rename(photos / "dogs/3.png")
    assert tables.resolve("photos", root=photos.parent).digest != before.digest


def test_an_image_that_is_none_is_named(photos: Path) -> None:
    (photos / "dogs/2.png").write_bytes(b"not a picture")
    with pytest.raises(DataError, match=r"dogs/2.png.*not a picture.*no image"):
        ps.read_images("photos")
    (photos.parent / "rows.csv").write_text("a\n1\n")
    with pytest.raises(DataError, match=r"'rows.csv' is no folder or pattern of images, but of csv"):
        ps.read_images("rows.csv")


def test_paths_in_rows_become_bytes(photos: Path) -> None:
    rows = pa.table({"photo": ["dogs/1.png", None, "photos/cats/1.png", "2.jpg"], "y": [1, 2, 3, 4]})
    found = ps.with_images(rows, "photos", column="photo")
    first, second, third, fourth = found["image"].to_pylist()
    assert (first, second) == ((photos / "dogs/1.png").read_bytes(), None)
    assert (third, fourth) == ((photos / "cats/1.png").read_bytes(), (photos / "cats/2.jpg").read_bytes())
    instead = ps.with_images(rows, "photos", column="photo", into="photo")
    assert (instead.column_names, instead["photo"].to_pylist()) == (["photo", "y"], found["image"].to_pylist())


@pytest.mark.parametrize("path", ["../secret.png", "dogs/../../secret.png", "/etc/hostname", "dogs/9.png", "", "dogs"])
def test_no_row_reads_a_file_elsewhere(photos: Path, path: str) -> None:
    rows = pa.table({"path": ["dogs/1.png", path]})
    with pytest.raises(DataError, match=r"row 1, column 'path': there is no .* among the 3 images of 'photos'"):
        ps.with_images(rows, "photos")
    assert ps.with_images(rows, "photos", missing="null")["image"].to_pylist()[1] is None


def test_a_path_that_may_be_several_files_and_a_column_that_is_not_there_are_named(photos: Path) -> None:
    with pytest.raises(DataError, match=r"'1.png' may be 2 files of 'photos'; name its folder too"):
        ps.with_images(pa.table({"path": ["1.png"]}), "photos")
    with pytest.raises(DataError, match=r"no column 'photo'; there are: path"):
        ps.with_images(pa.table({"path": ["1.png"]}), "photos", column="photo")


_PIXELS = np.random.default_rng(0).integers(0, 256, (5, 4, 4), dtype=np.uint8)


@pytest.mark.parametrize(
    ("given", "mode", "seen"),
    [
        (_PIXELS[:, :, :3], "RGB", _PIXELS[:, :, :3]),
        (_PIXELS[:, :, :1], "L", _PIXELS[:, :, :1]),
        (_PIXELS[:, :, 0], "L", _PIXELS[:, :, :1]),
        (_PIXELS, "RGBA", _PIXELS),
        (_PIXELS[:, :, :3] / 255, "RGB", _PIXELS[:, :, :3]),
        (_PIXELS[:, :, :3].astype(np.int64), "RGB", _PIXELS[:, :, :3]),
        (_PIXELS[:, ::-1, 2], "L", _PIXELS[:, ::-1, 2:3]),
        (_PIXELS[:, :, 0] > 99, "L", (_PIXELS[:, :, :1] > 99) * 255),
        (_PIXELS[:, :, 0].astype(np.uint16) * 257, "L", _PIXELS[:, :, :1]),
        (Image.fromarray(_PIXELS[:, :, :3]), "RGB", _PIXELS[:, :, :3]),
    ],
)  # fmt: skip
def test_arrays_and_pillows_images_become_bytes_in_which_no_pixel_changes(given: Any, mode: str, seen: Any) -> None:
    made = ps.image_bytes(given)
    assert made.startswith(b"\x89PNG")
    assert np.array_equal(decoded(made, mode), seen)
    assert ps.image_bytes(made) is not None
    assert ps.image_bytes(made) == made == ps.image_bytes(given)


def test_pillows_other_modes_and_files_become_bytes(photos: Path) -> None:
    for mode in ("CMYK", "YCbCr", "P", "1", "LA", "F"):
        assert decoded(ps.image_bytes(Image.new(mode, (3, 2)))).shape[:2] == (2, 3)
    assert ps.image_bytes("photos/cats/2.jpg") == (photos / "cats/2.jpg").read_bytes()


@pytest.mark.parametrize(
    ("given", "told"),
    [
        (np.zeros((3, 8, 8)), r"float64 and shape \(3, 8, 8\) is no image.*channels come last"),
        (np.full((2, 2), 200.0), r"values from 0 to 1; these go from 200.0 to 200.0"),
        (np.array([[0.5, np.nan]]), "values from 0 to 1"),
        (np.array([[-1, 300]]), "values from 0 to 255; these go from -1 to 300"),
        (np.zeros(9), r"shape \(9,\) is no image"),
        (np.zeros((0, 4)), "an image has pixels"),
        (None, "NoneType is no image"),
        (b"junk", "'?junk'? *.*is no image"),
        ("nowhere.png", "cannot read the image 'nowhere.png'"),
    ],
)
def test_what_is_no_image_is_told(given: Any, told: str) -> None:
    with pytest.raises(DataError, match=told):
        ps.image_bytes(given)


def test_arrays_and_pillows_images_in_rows_point_to_image_bytes() -> None:
    pandas = pytest.importorskip("pandas")
    for value in (_PIXELS, Image.new("RGB", (2, 2))):
        with pytest.raises(DataError, match=r"ps\.image_bytes"):
            tables.to_arrow([{"photo": value}])
        with pytest.raises(DataError, match=r"ps\.image_bytes"):
            tables.to_arrow(pandas.DataFrame({"photo": [value, value]}))


def test_images_of_memory_are_images_of_models() -> None:
    written = io.BytesIO()
    Image.fromarray(_PIXELS[:, :, :3]).save(written, "PNG")
    assert np.array_equal(decoded(ps.image_bytes(written.getvalue())), decoded(ps.image_bytes(_PIXELS[:, :, :3])))
