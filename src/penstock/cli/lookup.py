"""How a run is named on the command line: in full, by the beginning of its id, or `latest`."""

from __future__ import annotations

from penstock.core.ports import MetadataStore
from penstock.core.run import Run
from penstock.errors import DeclarationError, UnknownNameError


def find_run(metadata: MetadataStore, text: str) -> Run:
    """Return the one run that a text means."""
    if (exact := metadata.get(Run, text)) is not None:
        return exact
    if text == "latest" and (newest := metadata.find(Run, newest_first=True, limit=1)):
        return newest[0]
    runs = metadata.find(Run, newest_first=True)
    found = [run for run in runs if run.id.startswith(text)]
    if len(found) > 1:
        raise DeclarationError(
            f"'{text}' begins {len(found)} runs: {', '.join(run.id for run in found[:5])}; give more"
        )
    if not found:
        raise UnknownNameError("run", text, [run.id for run in runs[:5]])
    return found[0]
