"""Two stores as one: what is written goes to one of them, what is read is looked for in both."""

from __future__ import annotations

from pathlib import Path

from penstock.core.ports import ArtifactStore


class LayeredStore:
    """An `ArtifactStore` over one that may only be read, as a step in a container has it: what the step makes stays
    apart until somebody outside has looked at it."""

    def __init__(self, *, above: ArtifactStore, below: ArtifactStore) -> None:
        self._above, self._below = above, below

    def put(self, source: Path | bytes) -> str:
        """Store a file or bytes above; return the digest."""
        return self._above.put(source)

    def path(self, digest: str) -> Path:
        """Return the file of a blob, from where it is."""
        return self._where(digest).path(digest)

    def has(self, digest: str) -> bool:
        """Tell whether a blob is in either."""
        return self._above.has(digest) or self._below.has(digest)

    def verify(self, digest: str) -> None:
        """Read every byte of a blob."""
        self._where(digest).verify(digest)

    def scratch(self) -> Path:
        """Return a fresh path for a temporary file, above."""
        return self._above.scratch()

    def _where(self, digest: str) -> ArtifactStore:
        return self._above if self._above.has(digest) else self._below
