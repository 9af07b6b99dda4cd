"""The endpoint that gives a model away: in a form that others run, as a download."""

from __future__ import annotations

import tempfile
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from urllib.parse import quote

import msgspec
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from penstock.models import resolve_version
from penstock.project.registered import COMPARED
from penstock.remote.rows import as_query
from penstock.serving.batch import model_reference, named_rows
from penstock.serving.bodies import decoded, read_body
from penstock.serving.forms import ExportForm
from penstock.serving.service import Service
from penstock.serving.state import serving

PARITY = "penstock-parity"
"""The header that says how an ONNX file compares with the model: `models.exporting.onnx_parity.Parity`, as JSON."""

_ENDINGS = {"onnx": (".onnx", "application/octet-stream"), "sql": (".sql", "application/sql")}
_FOLDER = (".zip", "application/zip")
_CHUNK_BYTES = 1 << 20
_OLDEST = (1980, 1, 1, 0, 0, 0)  # that a zip can say


@dataclass(frozen=True, slots=True)
class _Download:
    name: str
    media: str
    file: IO[bytes]
    size: int
    parity: str = ""


async def export(request: Request) -> Response:
    """POST /v1/models/{name}:export: the model as a file; MLflow's folder comes as a zip."""
    served = serving(request)
    form = decoded(await read_body(request.receive, served.limits.body_bytes), ExportForm)
    made = await run_in_threadpool(_exported, served.project, model_reference(request), form)
    headers = {
        "content-length": str(made.size),
        "content-disposition": f"attachment; filename*=utf-8''{quote(made.name)}",
        **({PARITY: made.parity} if made.parity else {}),
    }
    return StreamingResponse(_pieces(made.file), media_type=made.media, headers=headers)


def _exported(project: Service, reference: str, form: ExportForm) -> _Download:
    version, options = resolve_version(project.metadata, reference), _options(project, form)
    ending, media = _ENDINGS.get(form.format, _FOLDER)
    with tempfile.TemporaryDirectory(prefix="penstock-export-") as folder:
        path = Path(folder, "model")
        project.models[version.model].export(form.format, path, version=version.version, **options)
        parity = _parity(path) if form.format == "onnx" else ""
        file = _zipped(path) if path.is_dir() else path.open("rb")  # which outlives its name
    size = file.seek(0, 2)
    file.seek(0)
    return _Download(f"{version.model}-{version.version}{ending}", media, file, size, parity)


def _options(project: Service, form: ExportForm) -> dict[str, Any]:
    given = {name: getattr(form, name) for name in form.__struct_fields__ if name != "format"}
    options = {name: value for name, value in given.items() if value is not msgspec.UNSET}
    if form.rows is None and form.format not in COMPARED:
        del options["rows"]
    if form.format in COMPARED and isinstance(form.rows, str):
        rows = named_rows(project, form.rows)
        options["rows"] = project.sql(as_query(rows)) if isinstance(rows, str) else rows
    return options


def _parity(path: Path) -> str:
    from penstock.models.exporting.onnx_model import parity_of  # a server that exports nothing needs none of this

    return _ascii(msgspec.json.encode(parity_of(path)).decode())


def _zipped(folder: Path) -> IO[bytes]:
    """Return a zip of what is in a folder, the same for the same files."""
    file = tempfile.TemporaryFile()  # noqa: SIM115 - it is closed when it is sent
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            entry = zipfile.ZipInfo(path.relative_to(folder).as_posix(), _OLDEST)
            entry.compress_type, entry.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(entry, path.read_bytes())
    return file


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def _ascii(text: str) -> str:
    """Return JSON as a header can carry it: features may have any names."""
    return "".join(letter if letter.isascii() else _escaped(letter) for letter in text)


def _escaped(letter: str) -> str:
    units = letter.encode("utf-16-be")
    return "".join(f"\\u{units[at]:02x}{units[at + 1]:02x}" for at in range(0, len(units), 2))
