"""How a project's own image is built."""

from __future__ import annotations

from penstock.images.build import BuiltImage, build_image
from penstock.images.packages import wanted
from penstock.project.config import Config
from penstock.project.images import image_name, runtime_of, state_folder


def build_project_image(config: Config, *, name: str = "", base: str = "", requirements: str = "") -> BuiltImage:
    """Build the project's image of what its lock file asks for; what is given here goes before its configuration."""
    return build_image(
        wanted(config.root, requirements or config.engine.requirements),
        name=name or image_name(config),
        runtime=runtime_of(config),
        scratch=state_folder(config) / "building",
        base=base or config.engine.base,
    )
