"""Components that bring images into tables, as bytes: read_images, with_images; and image_bytes for one of them."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from penstock import tables
from penstock.core.artifact import Source
from penstock.errors import DataError
from penstock.pipelines import step
from penstock.tables import Table


@step
def read_images(images: Source) -> Table:
    """Read a row for each file of a folder or pattern (`ps.read_images("photos/**/*.jpg")`): its `path`, from the
    folder that holds all of them on, the name of its `folder`, which often is its class, its bytes as `image`, and
    `width` and `height`, upright.

    Raises `DataError` naming the file that is no image. Bytes are what `ps.col("image").image(64)` takes.
    """
    rows = tables.read(_images(images))
    sizes = [_size(content, path) for content, path in zip(rows["image"].to_pylist(), _paths(rows), strict=True)]
    for place, name in enumerate(("width", "height")):
        rows = rows.append_column(name, pa.array([size[place] for size in sizes], pa.int64()))
    return rows


@step
def with_images(
    rows: Table,
    images: Source,
    *,
    column: str = "path",
    into: str = "image",
    missing: Literal["error", "null"] = "error",
) -> Table:
    """Put beside the path that each row names the bytes of that file: `ps.with_images(rows, "photos", column="photo")`.

    Only files of the folder or pattern `images` are found, by how their paths end: `cats/1.jpg`. So no row can name a
    file elsewhere. `into` may be `column` itself. A path that is not there is a `DataError` naming row and path, or
    NULL if `missing` is "null"; a NULL path is NULL.
    """
    found = _images(images)
    if column not in rows.column_names:
        raise DataError(f"with_images: no column '{column}'; there are: {', '.join(rows.column_names)}", field=column)
    files = _by_ending(found.uris)
    contents = [
        None if path is None else _content(files, path, f"row {place}, column '{column}'", found, missing)
        for place, path in enumerate(rows[column].to_pylist())
    ]
    made = pa.array(contents, pa.binary())
    if into in rows.column_names:
        return rows.set_column(rows.column_names.index(into), into, made)
    return rows.append_column(into, made)


def image_bytes(image: Any) -> bytes:
    """Return an image as the bytes that models take: an array (height, width) or (height, width, channels) of bytes, of
    booleans or of numbers from 0 to 1, an image of Pillow's, the path of a file, or bytes, which stay as they are.

    Arrays and Pillow's images become PNG, in which no pixel changes. Raises `DataError` for what is no image.
    """
    from penstock.operations import picturefiles

    return picturefiles.image_bytes(image)


def _images(images: Source) -> Source:
    """Return the files, of images only; a text is resolved when this is called outside a pipeline."""
    found = tables.resolve(images, root=Path.cwd()) if isinstance(images, str | Path) else images
    if found.format != "images":
        raise DataError(f"'{found.name}' is no folder or pattern of images, but of {found.format}")
    return found


def _paths(rows: Table) -> list[str]:
    found: list[str] = rows["path"].to_pylist()
    return found


def _size(content: bytes, path: str) -> tuple[int, int]:
    from penstock.operations.pictures import decoded

    try:
        height, width = decoded(content).shape[:2]
    except ValueError as error:
        raise DataError(f"'{path}': {error}", field="image") from error
    return width, height


def _by_ending(uris: tuple[str, ...]) -> dict[str, list[str]]:
    """Return the files by each way in which their paths can be told: 1.jpg, cats/1.jpg, photos/cats/1.jpg, ..."""
    found: dict[str, list[str]] = defaultdict(list)
    for uri in uris:
        parts = Path(uri).parts
        for start in range(len(parts)):
            found[Path(*parts[start:]).as_posix()].append(uri)
    return found


def _content(files: dict[str, list[str]], path: str, where: str, images: Source, missing: str) -> bytes | None:
    there = files.get(Path(path).as_posix(), [])
    if len(there) == 1:
        return Path(there[0]).read_bytes()
    if there:
        raise DataError(f"{where}: '{path}' may be {len(there)} files of '{images.name}'; name its folder too")
    if missing == "null":
        return None
    raise DataError(
        f"{where}: there is no '{path}' among the {len(images.uris)} images of '{images.name}'; "
        'with missing="null" it is NULL'
    )
