"""The images of a project: which one a step runs in, and how the project's own is built."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

from penstock.core.pipeline import Pipeline, Step
from penstock.core.ports import ArtifactStore
from penstock.engines.container import Containers
from penstock.errors import ContainerError, DeclarationError
from penstock.images import (
    OWN,
    PYTHON,
    VERSION,
    Runtime,
    describe_image,
    find_runtime,
    own_digest,
)
from penstock.pipelines import ImageRef, Services
from penstock.project.config import Config

CONTAINER = "container"
_BUILD = "build it anew: penstock image build"


def image_name(config: Config) -> str:
    """Return the image of steps that name none: what configuration says, else the one that `image build` makes."""
    project = re.sub(r"[^a-z0-9]+", "-", (config.project.name or config.root.name).lower()).strip("-") or "project"
    return config.engine.image or f"localhost/penstock-{project}:latest"


def on_engine(given: Services, config: Config, engine: str | None, pipeline: Pipeline) -> Services:
    """Return services that know in which image each step of a pipeline runs on an engine.

    Raises `DeclarationError` where a step asks for one and the engine has none.
    """
    name = engine or config.engine.default
    if name == CONTAINER:
        return replace(given, images=_images(config))
    for step in pipeline.steps:
        if step.needs.image is not None:
            raise DeclarationError(
                f"step '{step.name}' runs in the image '{step.needs.image}', but engine '{name}' runs steps in "
                f"processes of this machine; choose the engine with containers: engine='{CONTAINER}', "
                f'--engine {CONTAINER}, or default = "{CONTAINER}" in [engine] of penstock.toml'
            )
    return given


def engine_options(config: Config, engine: str, artifacts: ArtifactStore) -> dict[str, Any]:
    """Return what an engine is given besides the number of its slots."""
    if engine != CONTAINER:
        return {}
    missing = [name for name in config.engine.environment if name not in os.environ]
    if missing:
        raise DeclarationError(f"[engine] environment names {', '.join(missing)}, which the environment does not have")
    containers = Containers(
        image=image_name(config),
        state=state_folder(config),
        store=artifacts,
        mounts=config.engine.mounts,
        runtime=config.engine.runtime,
        environment={name: os.environ[name] for name in config.engine.environment},
    )
    return {"containers": containers}


def state_folder(config: Config) -> Path:
    """Return the folder of what is under way in containers."""
    return config.state / "containers"


def runtime_of(config: Config) -> Runtime:
    """Return the program that runs the project's containers."""
    return find_runtime(config.engine.runtime, state=state_folder(config))


def _images(config: Config) -> Callable[[Step], ImageRef | None]:
    """Return the function that names a step's image; each image is asked for once."""

    @cache
    def digest(name: str) -> str:
        image = describe_image(runtime_of(config), name)
        if (python := image.labels.get(PYTHON, VERSION)) != VERSION:
            raise ContainerError(f"the image '{name}' has Python {python}, the project runs on {VERSION}; {_BUILD}")
        if image.labels.get(OWN, own_digest()) != own_digest():
            raise ContainerError(f"the image '{name}' has another penstock in it than the one that runs here; {_BUILD}")
        return image.id

    def image_of(step: Step) -> ImageRef | None:
        if "context" in step.kinds.values():  # it works on the project's records, so it runs beside them
            return None
        name = step.needs.image or image_name(config)
        return ImageRef(name, digest(name))

    return image_of
