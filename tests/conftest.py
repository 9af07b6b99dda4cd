"""Property tests look at the same examples in every run; `--hypothesis-profile=search` looks for new ones."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from hypothesis import settings

settings.register_profile("fixed", derandomize=True, deadline=None, database=None)
settings.register_profile("search", deadline=None)
settings.load_profile("fixed")


@pytest.fixture(scope="session")
def container_image(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The digest of an image with this penstock and pytest: built once, and again when something in it changes.

    `make test-all` requires a runtime; elsewhere the tests of containers are left out where there is none.
    """
    from penstock.errors import ContainerError
    from penstock.images import find_runtime
    from penstock.images.build import build_image
    from penstock.images.packages import wanted

    if shutil.which("podman") is None and shutil.which("docker") is None and "PENSTOCK_TEST_SERVERS" not in os.environ:
        pytest.skip("neither podman nor docker is here; `make servers` installs podman")
    folder: Path = tmp_path_factory.mktemp("image")
    (folder / "requirements.txt").write_text("pytest\n")
    runtime = find_runtime(state=folder)
    try:
        built = build_image(wanted(folder), name="localhost/penstock-tests:latest", runtime=runtime, scratch=folder)
    except ContainerError as error:
        pytest.fail(f"the image of the tests cannot be built: {error}")
    return built.image.id
