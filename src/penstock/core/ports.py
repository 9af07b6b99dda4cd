"""Where the outside is plugged in: what an engine and a store must promise, each held to a conformance test."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar

from penstock.core.artifact import Artifact
from penstock.core.pipeline import Step
from penstock.core.run import Record, State


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Where a step finds its project: addresses only, so that it travels. A component's parameter annotated `Context`
    gets it; it is never part of a key. `seed` is the step's own, derived from its key. `secrets` are files in which
    secrets are found, by the name of the secret ("": of several). `mode` is the run's."""

    root: str
    metadata: str = field(repr=False)  # there may be a password in these
    artifacts: str = field(repr=False)
    run: str = ""
    step: str = ""
    seed: int = 0
    secrets: dict[str, str] = field(default_factory=dict)
    mode: str = "train"


R = TypeVar("R", bound=Record)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One step ready to run: every reference replaced by the artifact it stands for.

    `entry` is "module:function"; an engine calls it with the task, in the process it chose, and returns its outcome.
    `arguments` maps parameter names to plain values, `Artifact`s, `Source`s, or lists and dicts of them. `log` is the
    file that gets everything the step prints. `paths` are put in front of sys.path before user code is imported. `code`
    holds the parts of its key that are code, as the process `pid` has it loaded: another one must have loaded the same.
    `image` is the digest of the image it runs in ("": none, or the engine's own). `seed` is derived from its key:
    random numbers that nobody seeded are the same whenever the same step runs again.
    """

    id: str
    entry: str
    run: str
    step: Step
    arguments: dict[str, Any]
    context: Context
    log: Path
    paths: tuple[str, ...] = ()
    code: dict[str, str] = field(default_factory=dict)
    pid: int | None = None
    image: str = ""
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a task ended. `outputs` are published already; `error` is the traceback that the user reads, `final` says
    that the same task would fail again, so that nobody tries. `failed_of` has the names of what it failed of: see
    `penstock.core.failure`.

    `observed` is what the step looked at outside its arguments ("file:/a/b.csv" -> digest, "alias:bicycle@champion" ->
    version); a later hit needs it unchanged. "wrote:<path>" says what it wrote there.
    """

    task: str
    state: State  # "succeeded", "failed", "cancelled"; "skipped" or "waiting" where `error` says why it made nothing
    outputs: dict[str, Artifact] = field(default_factory=dict)
    observed: dict[str, str] = field(default_factory=dict)
    error: str = ""
    final: bool = False
    failed_of: tuple[str, ...] = ()
    started: float = 0.0
    ended: float = 0.0


class Engine(Protocol):
    """Runs tasks somewhere. Used by one thread; a context manager that ends its workers when left.

    Every submitted task gives exactly one outcome, whatever happens to its worker (crash, kill, timeout).
    """

    @property
    def slots(self) -> int:
        """How many tasks may be under way at once."""
        ...

    def submit(self, task: Task) -> None:
        """Start a task, or queue it; returns at once (an inline engine may run it here)."""
        ...

    def wait(self, timeout_seconds: float | None = None) -> Sequence[Outcome]:
        """Return outcomes not yet returned, at least one unless the timeout passes or nothing is under way."""
        ...

    def cancel(self, task_id: str) -> None:
        """Stop a task and every process it started; its outcome is `cancelled` unless it had ended already."""
        ...

    def close(self) -> None:
        """Cancel what is under way and free everything. Calling it again does nothing."""
        ...


class ArtifactStore(Protocol):
    """Blobs by the digest of their bytes. Writing is atomic and idempotent, from any number of processes: a blob is
    there whole or not at all. Raises `StorageError` when it cannot write, `CorruptArtifactError` where bytes are wrong.
    """

    def put(self, source: Path | bytes) -> str:
        """Store a file (moved, not copied, if it lies under `scratch()`) or bytes; return the digest."""
        ...

    def path(self, digest: str) -> Path:
        """Return a local read-only file of these bytes; raises `CorruptArtifactError` if missing or cut off."""
        ...

    def has(self, digest: str) -> bool:
        """Tell whether the blob is there with its full size: cheap, called on every cache hit. A blob that is there is
        in use from then on: no `Sweeper` takes it away while the run goes on that asked."""
        ...

    def verify(self, digest: str) -> None:
        """Read every byte; wrong ones are removed, so that the next run makes them anew, and raise
        `CorruptArtifactError`."""
        ...

    def scratch(self) -> Path:
        """Return a fresh path for a temporary file from which `put` is a rename."""
        ...


class MetadataStore(Protocol):
    """Records, by their identity (the first fields: a run's id, a step's run and name, a version's model and number).
    Many processes read and write at once; a write is one transaction."""

    def write(self, *records: Record) -> None:
        """Insert or replace, all or none."""
        ...

    def insert(self, *records: Record) -> None:
        """Insert, all or none; raises `ConflictError` if one is there."""
        ...

    def get(self, kind: type[R], *identity: Any) -> R | None:
        """Return the record of that identity, or None."""
        ...

    def find(
        self,
        kind: type[R],
        /,
        *,
        limit: int | None = None,
        newest_first: bool = False,
        after: Record | None = None,
        **equal: Any,
    ) -> list[R]:
        """Return the records whose fields equal the given values (a list: any of them), by creation or position; with
        `after` only those that come behind that record in this order: the next page."""
        ...

    def delete(self, kind: type[R], /, **equal: Any) -> int:
        """Delete the records whose fields equal the given values; return how many."""
        ...


class Codec(Protocol):
    """How values of one kind become bytes in the store, and come back."""

    kind: str

    def accepts(self, value: Any) -> bool:
        """Tell whether a value is of this kind (asked where a step's output is not annotated)."""
        ...

    def save(self, value: Any, store: ArtifactStore) -> Artifact:
        """Store a value; the artifact's facts and schema are what is worth showing of it."""
        ...

    def load(self, artifact: Artifact, store: ArtifactStore) -> Any:
        """Return the value; large ones memory-mapped, never copied."""
        ...
