"""Property tests look at the same examples in every run; `--hypothesis-profile=search` looks for new ones."""

from __future__ import annotations

import compileall
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import settings

sys.path.append(str(Path(__file__).parent))

import warm

settings.register_profile("fixed", derandomize=True, deadline=None, database=None)
settings.register_profile("search", deadline=None)
settings.load_profile("fixed")

FIRST = ("stories", "cli", "endurance", "engines", "artifacts", "pipelines")
"""The folders whose files take longest, so that no worker has one of them left when the other is done."""


def pytest_configure(config: pytest.Config) -> None:
    """Compile the package, as a package that is installed is: hundreds of processes would do it again for themselves,
    where PYTHONDONTWRITEBYTECODE is set."""
    if not hasattr(config, "workerinput"):
        compileall.compile_dir(Path(__file__).parents[1] / "src" / "penstock", quiet=2)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Order the files; `make test` tells xdist to keep to that."""
    root = Path(__file__).parents[1]
    places = {name: place for place, name in enumerate(FIRST)}
    items.sort(key=lambda item: places.get(item.path.relative_to(root).parts[1], len(FIRST)))


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


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The address of a real PostgreSQL server that this session alone uses, on loopback, with an empty database."""
    folders = [*map(str, sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)), os.environ["PATH"]]
    programs = [shutil.which(name, path=os.pathsep.join(folders)) for name in ("initdb", "pg_ctl")]
    if None in programs:
        if "PENSTOCK_TEST_SERVERS" in os.environ:
            pytest.fail("PostgreSQL is not here; `make servers` installs it")
        pytest.skip("PostgreSQL is not here; `make servers` installs it")
    initdb, pg_ctl = map(str, programs)
    root = Path(tempfile.mkdtemp(prefix="penstock-postgres-"))
    user = "postgres" if os.geteuid() == 0 else None  # it refuses to run as root
    if user is not None:
        shutil.chown(root, user)
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]

    def run(*command: str) -> None:
        with (root.parent / f"{root.name}.log").open("ab") as log:
            subprocess.run(command, check=True, user=user, cwd=root, stdout=log, stderr=log)

    data = str(root / "data")
    run(initdb, "-D", data, "-U", "penstock", "--auth=trust", "--encoding=UTF8", "--locale=C.UTF-8", "--no-sync")
    options = f"-p {port} -k {root} -c listen_addresses=127.0.0.1 -c fsync=off -c timezone=UTC"
    run(pg_ctl, "-D", data, "-w", "-o", options, "start")
    try:
        yield f"postgresql://penstock@127.0.0.1:{port}/postgres"
    finally:
        run(pg_ctl, "-D", data, "-m", "immediate", "stop")
        shutil.rmtree(root)
        (root.parent / f"{root.name}.log").unlink()


@pytest.fixture(scope="session")
def redis_server() -> Iterator[str]:
    """The address of a real Redis server that this session alone uses, on loopback, in memory alone."""
    program = shutil.which("redis-server")
    if program is None:
        if "PENSTOCK_TEST_SERVERS" in os.environ:
            pytest.fail("Redis is not here; `make servers` installs it")
        pytest.skip("Redis is not here; `make servers` installs it")
    redis = pytest.importorskip("redis")
    with socket.create_server(("127.0.0.1", 0)) as found:
        port = found.getsockname()[1]
    command = [program, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            with redis.Redis(port=port, retry=redis.retry.Retry(redis.backoff.ConstantBackoff(0.1), 100)) as client:
                client.ping()
            yield f"redis://127.0.0.1:{port}/0"
        finally:
            process.terminate()


@pytest.fixture
def redis_url(redis_server: str) -> str:
    """The address of an empty database in that server."""
    import redis

    with redis.Redis.from_url(redis_server) as client:
        client.flushall()
    return redis_server


@pytest.fixture(scope="module")
def warm_workers() -> Iterator[None]:
    """The local engine in the process of the tests starts its template warm, too."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "executable", warm.python())
        yield
