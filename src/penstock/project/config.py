"""What penstock.toml says, checked: every key has a default, an unknown key is an error."""

from __future__ import annotations

import datetime
import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

import msgspec

from penstock.core.units import memory_bytes, seconds
from penstock.errors import DeclarationError, UnknownNameError
from penstock.pipelines import MOST_BYTES

FILE_NAME = "penstock.toml"
STATE = ".penstock"
"""The folder of all state, in the project's root. Deleting it forgets everything and breaks nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectSection:
    """`[project]`: the project's name, and the modules in which steps, pipelines and models are declared."""

    name: str = ""
    modules: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoresSection:
    """`[stores]`: where records and blobs are kept, the history of features and the newest of them (`online`); relative
    addresses are relative to the project's root."""

    metadata: str = f"sqlite:///{STATE}/metadata.db"
    artifacts: str = f"{STATE}/artifacts"
    history: str = field(default=f"{STATE}/history", repr=False)  # until it is checked, it may hold a password, too
    online: str = field(default=f"lmdb:{STATE}/online", repr=False)  # a url may hold a password


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineSection:
    """`[engine]`: the engine of a run that names none, and how many steps it may run at once (0: one a core).

    For containers: `runtime` is podman or docker, `image` that of steps that name none; `penstock image build` makes it
    of what the file `requirements` asks for, on the image `base` ("": on this interpreter). `mounts` are paths that
    steps see ("/data", "/scratch:rw"), `environment` variables that they get.
    """

    default: str = "local"
    slots: Annotated[int, msgspec.Meta(ge=0)] = 0
    runtime: str = ""
    image: str = ""
    requirements: str = ""
    base: str = ""
    mounts: tuple[str, ...] = ()
    environment: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LogsSection:
    """`[logs]`: how much of a step's log is kept, the newest part of it: bytes, or a text as "64MiB"; 0: everything."""

    max_bytes: int | str = MOST_BYTES

    @property
    def size_bytes(self) -> int:
        """The limit in bytes."""
        return 0 if self.max_bytes in (0, "0") else memory_bytes(self.max_bytes, "max_bytes in [logs]")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSection:
    """`[server]`: where `penstock serve` listens, and the token that every request must then bring: itself, or the file
    that holds it. With `sql_writes` more than queries may come as SQL.

    `shadow` names, by model, an alias: its version predicts the requests that are logged ([monitoring]) too, beside the
    one that answers them.

    Models look features up as they are now, or, to rehearse a day that is over, as they were at `features_as_of`
    ("2013-12-20T17:00:00Z").

    No body of a request is larger than `body_max_bytes`, and the images in one that asks for predictions have no more
    than `image_pixels` in all: a few bytes can say that they are billions."""

    host: str = "127.0.0.1"
    port: Annotated[int, msgspec.Meta(ge=0, le=65535)] = 8000
    token: str = field(default="", repr=False)
    token_file: str = ""
    sql_writes: bool = False
    body_max_bytes: int | str = "16MiB"
    image_pixels: Annotated[int, msgspec.Meta(ge=1)] = 64_000_000
    features_as_of: str = ""
    shadow: dict[str, str] = field(default_factory=dict)

    @property
    def body_size_bytes(self) -> int:
        """The most that the body of a request may have, in bytes."""
        return memory_bytes(self.body_max_bytes, "body_max_bytes in [server]")

    @property
    def features_instant(self) -> int | None:
        """The instant as of which models look features up, in microseconds since 1970; None: now."""
        if not self.features_as_of:
            return None
        try:
            instant = datetime.datetime.fromisoformat(self.features_as_of)
        except ValueError as error:
            raise DeclarationError(f"features_as_of in [server]: {error}") from error
        if instant.tzinfo is None:
            raise DeclarationError(
                f"features_as_of in [server] is {self.features_as_of!r}, without a zone; write '2013-12-20T17:00:00Z'"
            )
        return round(instant.timestamp() * 1_000_000)


@dataclass(frozen=True, slots=True, kw_only=True)
class MonitoringSection:
    """`[monitoring]`: what is kept of the requests for predictions that servers answer, and for how long.

    `log_requests` is the share of them that is logged, 0 (the default) to 1. In the folder, which several servers may
    share, lie no more than `max_bytes` of requests, and none older than `keep`; the oldest go. What is answered is
    written every `flush`: a server that is killed loses that much. Of bytes, such as images, the digest is logged, with
    `bytes = true` they themselves; with `features = true` also the features that were looked up, with `batches = true`
    also the rows of :batchPredict. `window` is how long the windows are of which /metrics tells.
    """

    log_requests: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.0
    folder: str = f"{STATE}/monitoring"
    max_bytes: int | str = "256MiB"
    keep: int | float | str = "90d"
    flush: int | float | str = "2s"
    bytes: bool = False
    features: bool = False
    batches: bool = False
    window: int | float | str = "1d"

    @property
    def size_bytes(self) -> int:
        """The most that is kept of requests, in bytes."""
        return memory_bytes(self.max_bytes, "max_bytes in [monitoring]")

    @property
    def keep_seconds(self) -> float:
        """For how long requests and labels are kept."""
        return seconds(self.keep, "keep in [monitoring]")

    @property
    def flush_seconds(self) -> float:
        """How often what was answered is written."""
        return seconds(self.flush, "flush in [monitoring]")


@dataclass(frozen=True, slots=True, kw_only=True)
class GcSection:
    """`[gc]`: what `penstock gc` keeps. Every recorded run with all that it needs, unless `keep_runs` (the newest so
    many of each pipeline) or `older_than` ("30d": younger ones) say less. Records of runs go only with
    `runs_older_than`, firings of triggers only with `firings_older_than`, but for the newest `keep_firings` of each;
    nothing that was used within `grace`."""

    keep_runs: Annotated[int, msgspec.Meta(ge=1)] | None = None
    older_than: str | None = None
    runs_older_than: str | None = None
    firings_older_than: str | None = None
    keep_firings: Annotated[int, msgspec.Meta(ge=0)] = 100
    grace: str = "1h"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """The whole configuration. `tables` maps the names that SQL and Python may read to a path, or a table with `path`,
    `format` and `as_of`; `secrets` the names of secrets to the files that hold them ("": that which holds several)."""

    root: Path
    project: ProjectSection = field(default_factory=ProjectSection)
    tables: dict[str, str | dict[str, Any]] = field(default_factory=dict, repr=False)  # a url may hold a password
    stores: StoresSection = field(default_factory=StoresSection)
    engine: EngineSection = field(default_factory=EngineSection)
    server: ServerSection = field(default_factory=ServerSection)
    monitoring: MonitoringSection = field(default_factory=MonitoringSection)
    gc: GcSection = field(default_factory=GcSection)
    logs: LogsSection = field(default_factory=LogsSection)
    secrets: dict[str, str] = field(default_factory=dict)

    @property
    def state(self) -> Path:
        """The folder of the project's state."""
        return self.root / STATE

    @property
    def requests(self) -> Path:
        """The folder of the log of requests."""
        return self.root / self.monitoring.folder / "requests"

    @property
    def labels(self) -> Path:
        """The folder of the labels that came later."""
        return self.root / self.monitoring.folder / "labels"

    @property
    def server_token(self) -> str:
        """The server's token, "" where it has none; raises `DeclarationError` for one that no request can bring."""
        token, where = self.server.token, "the server's token"
        if not token and self.server.token_file:
            path = self.root / self.server.token_file
            where = f"the server's token in {path}"
            try:
                token = path.read_text().strip()
            except (OSError, UnicodeDecodeError) as error:
                raise DeclarationError(f"{where} cannot be read: {error}") from error
            if not token:
                raise DeclarationError(f"{where} is empty; write a long random text there, or leave token_file out")
        if not token.isascii() or not token.isprintable() or " " in token:
            raise DeclarationError(f"{where} has characters that a header cannot carry; use letters and digits")
        return token


SECTIONS: dict[str, type] = {
    "project": ProjectSection,
    "stores": StoresSection,
    "engine": EngineSection,
    "server": ServerSection,
    "monitoring": MonitoringSection,
    "logs": LogsSection,
    "gc": GcSection,
}


_NAMED = ("tables", "secrets")
"""Sections whose keys are the user's names."""


def load_config(root: Path, environment: Mapping[str, str] = os.environ) -> Config:
    """Read `root/penstock.toml`, if there is one; `PENSTOCK_<SECTION>_<KEY>` variables override single keys."""
    path = root / FILE_NAME
    try:
        content = tomllib.loads(path.read_text()) if path.exists() else {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise DeclarationError(f"{path} is not valid TOML: {error}") from error
    except OSError as error:
        raise DeclarationError(f"{path} cannot be read: {error.strerror or error}") from error
    for name in content:
        if name not in (*SECTIONS, *_NAMED):
            raise UnknownNameError("section", name, (*SECTIONS, *_NAMED), within=str(path))
        if not isinstance(content[name], dict):
            raise DeclarationError(f"'{name}' in {path} is {content[name]!r}; it is a section: write [{name}]")
    sections = {name: _section(name, cls, content.get(name, {}), environment) for name, cls in SECTIONS.items()}
    return Config(
        root=root,
        tables=_tables(content.get("tables", {}), path),
        secrets=_secrets(content.get("secrets", {}), path, environment),
        **sections,
    )


def _section(name: str, cls: type, content: dict[str, Any], environment: Mapping[str, str]) -> Any:
    keys: tuple[str, ...] = tuple(cls.__dataclass_fields__)  # type: ignore[attr-defined]  # a dataclass, as all of SECTIONS
    for key in content:
        if key not in keys:
            raise UnknownNameError("key", key, keys, within=f"[{name}] of {FILE_NAME}")
    variables = {key: f"PENSTOCK_{name}_{key}".upper() for key in keys}
    overrides = {key: environment[variable] for key, variable in variables.items() if variable in environment}
    try:
        given: Any = msgspec.convert(content, cls)
        # Environment variables are text: "8001" is a good port there, and only there.
        return msgspec.convert({**msgspec.to_builtins(given), **overrides}, cls, strict=False) if overrides else given
    except msgspec.ValidationError as error:
        raise DeclarationError(f"[{name}] of {FILE_NAME}: {error}") from error


def _secrets(content: dict[str, Any], path: Path, environment: Mapping[str, str]) -> dict[str, str]:
    """Return the files of `[secrets]`: `file = ".secrets.toml"` for several, `NAME = { file = "..." }` for one."""
    several = environment.get("PENSTOCK_SECRETS_FILE")
    given = {**content, "file": several} if several else content
    found = {}
    for name, value in given.items():
        file = value if name == "file" else value.get("file") if isinstance(value, dict) and len(value) == 1 else None
        if not isinstance(file, str):  # it may be the secret itself: it is not repeated
            raise DeclarationError(
                f"'{name}' in [secrets] of {path} names no file; write {name} = {{ file = \"...\" }} for one secret, "
                'file = ".secrets.toml" for a file of several. The secret itself does not belong here'
            )
        found["" if name == "file" else name] = str(path.parent / file)
    return found


_TABLE_KEYS = (
    {"path"}, {"path", "format"}, {"path", "as_of"}, {"path", "format", "as_of"}, {"url", "table"}, {"url", "query"},
)  # fmt: skip


def _shown_keys(table: dict[str, Any]) -> str:
    """Return the keys of a table, and the values that are no texts: a text may be a URL with a password."""
    return ", ".join(key if isinstance(value, str) else f"{key} = {value!r}" for key, value in table.items())


def _tables(content: dict[str, Any], path: Path) -> dict[str, str | dict[str, Any]]:
    for name, value in content.items():
        described = isinstance(value, dict) and set(value) in _TABLE_KEYS
        described = described and all(isinstance(each, str) for key, each in value.items() if key != "as_of")
        if not (isinstance(value, str) or described):
            shown = f"has {_shown_keys(value)}" if isinstance(value, dict) else f"is {value!r}"
            raise DeclarationError(
                f"table '{name}' in {path} {shown}; give a path (\"data/*.parquet\"), "
                '{ path = "...", format = "csv" }, { path = "...", as_of = 3 } for a version of a Delta table, '
                'or { url = "sqlite:///x.db", table = "..." } (or query = "SELECT ...")'
            )
    return content
