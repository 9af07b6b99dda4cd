"""What planning and running are handed: stores, codecs, and how names outside become values."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from penstock.core.artifact import Artifact, Source
from penstock.core.pipeline import Step
from penstock.core.ports import ArtifactStore, Codec, Context, MetadataStore
from penstock.errors import UnknownNameError
from penstock.pipelines.logkeeping import MOST_BYTES
from penstock.pipelines.observed import observe


def _no_names(name: str) -> NoReturn:
    raise UnknownNameError("artifact", name, ())


@dataclass(frozen=True, slots=True)
class ImageRef:
    """The image that a step runs in: the name it was asked for by, and its digest."""

    name: str
    digest: str


def no_image(step: Step) -> ImageRef | None:
    """Say that a step runs in no container."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """Everything that `plan` and `execute` use of the outside.

    `sources` finds the rows that a text stands for, `named` the artifact that a name ("prices@latest") stands for;
    `observe` gives the current value of something observed ("file:/a/b.json", "alias:flights@champion"), "" where it is
    gone. `entry` is where a worker begins ("module:function"), `context` what it is told, `paths` where user code is
    imported from. Logs go to `logs/<run>/<step>.log`, of each the newest `log_bytes` are kept (0: everything). `images`
    says in which image a step runs, None where in none.
    """

    metadata: MetadataStore
    artifacts: ArtifactStore
    codecs: Sequence[Codec]
    sources: Callable[[str], Source]
    entry: str
    context: Context
    logs: Path
    observe: Callable[[str], str] = observe
    named: Callable[[str], Artifact] = _no_names
    images: Callable[[Step], ImageRef | None] = no_image
    log_bytes: int = MOST_BYTES
    paths: tuple[str, ...] = ()
    clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep
