"""A real S3 server, and projects whose history is in a bucket of it."""

from __future__ import annotations

import os
import subprocess
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from pyarrow import fs

PYTHON = Path(__file__).parents[2] / ".venv-s3" / "bin" / "python"
KEY, SECRET = "AKIAPENSTOCKTESTS001", "hush-hush-hush-hush-hush"


@dataclass(frozen=True)
class S3:
    """Where the server is."""

    endpoint: str

    def address(self, prefix: str = "", bucket: str = "features") -> str:
        """Return the address of histories that nobody has used yet."""
        return f"s3://{bucket}/{prefix or uuid.uuid4().hex}?endpoint={self.endpoint}&region=us-east-1"

    def configure(self, root: Path, address: str = "", **credentials: str) -> None:
        """Say in a project's files that its history is in the bucket."""
        given = credentials or {"AWS_ACCESS_KEY_ID": KEY, "AWS_SECRET_ACCESS_KEY": SECRET}
        (root / ".secrets.toml").write_text("".join(f'{name} = "{value}"\n' for name, value in given.items()))
        lines = ["[stores]", f'history = "{address or self.address()}"', "[secrets]", 'file = ".secrets.toml"']
        (root / "penstock.toml").write_text("\n".join(lines))

    def files(self, address: str) -> dict[str, bytes]:
        """Return every object below an address."""
        host = self.endpoint.removeprefix("http://")
        store = fs.S3FileSystem(
            access_key=KEY, secret_key=SECRET, endpoint_override=host, scheme="http", region="us-east-1"
        )
        below = fs.FileSelector(address.removeprefix("s3://").partition("?")[0], recursive=True)
        found = [info.path for info in store.get_file_info(below) if info.type == fs.FileType.File]
        return {path: store.open_input_file(path).read() for path in found}


@contextmanager
def running() -> Iterator[S3]:
    """Run a server until the block ends."""
    if not PYTHON.exists():
        if "PENSTOCK_TEST_SERVERS" in os.environ:
            pytest.fail("there is no S3 server here; `make servers` installs it")
        pytest.skip("there is no S3 server here; `make servers` installs it")
    command = [PYTHON, Path(__file__).parent / "moto_server.py", KEY, SECRET]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            assert process.stdout is not None
            yield S3(process.stdout.readline().strip())
        finally:
            process.kill()
