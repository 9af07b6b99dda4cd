"""docs/start.md, the first hour: every block is run in a shell, in order, as it is printed."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[2] / "docs" / "start.md"
PORT = "8000"  # as the page has it; the test's server is on another
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE.read_text(), re.MULTILINE | re.DOTALL)
ENVIRONMENT = {**os.environ, "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"}


def shell(text: str, root: Path) -> str:
    """Run a block as bash would, and return what it printed; every command of it must succeed."""
    told = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", text], cwd=root, env=ENVIRONMENT, capture_output=True, text=True, check=False
    )
    assert told.returncode == 0, (text, told.stdout, told.stderr)
    return told.stdout


@contextmanager
def server(root: Path) -> Iterator[str]:
    """Serve the project on a free port, and yield that."""
    command = [sys.executable, "-m", "penstock", "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = next(line for line in process.stdout or () if "http://" in line)
            yield line.partition("http://127.0.0.1:")[2].partition(" ")[0]
        finally:
            process.terminate()


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[str, str]]:
    """Return each block of the page with what it printed, the whole page having been followed."""
    root, port, told = tmp_path_factory.mktemp("start"), "", []
    assert len(BLOCKS) >= 10
    for language, text in BLOCKS:
        match language:
            case "sh" if text.startswith("penstock init"):
                told.append((text, shell(text, root)))
                root = root / "rides"
            case "sh" if text == "penstock serve\n":
                pass  # the blocks that ask it start it
            case "sh" if "curl" in text or "labels" in text:
                with server(root) as port:
                    asked = text if "curl" in text else f"{_request()}\nsleep 4\n{text}"
                    told.append((text, shell(asked.replace(f"localhost:{PORT}", f"localhost:{port}"), root)))
            case "sh":
                told.append((text, shell(text, root)))
            case "toml":
                with (root / "penstock.toml").open("a") as file:
                    file.write(text)
            case "python" if "ps.on(" in text:
                with (root / "pipelines.py").open("a") as file:
                    file.write(text)
                told.append((text, shell("penstock trigger list", root)))
            case "python":
                told.append((text, shell(f"python - <<'END'\n{text}END", root)))
    return told


def _request() -> str:
    """Return the request of the page, which is asked once more where the log is switched on."""
    block = next(text for language, text in BLOCKS if language == "sh" and "curl" in text)
    return block.partition("penstock verify")[0]


def _after(said: list[tuple[str, str]], part: str) -> str:
    return next(printed for text, printed in said if part in text)


def test_the_first_hour_ends_with_a_model_that_is_watched(said: list[tuple[str, str]]) -> None:
    assert "succeeded" in _after(said, "penstock show latest")
    answer, _ = json.JSONDecoder().raw_decode(_after(said, "curl"))
    assert answer["predictions"][0]["predicted_minutes"] > 5
    assert "all equal" in _after(said, "penstock verify")
    assert "best: -p l2=" in _after(said, "penstock tune")
    watched = _after(said, "penstock monitor")
    assert "1 label of duration" in watched
    assert "mean absolute error" in watched
    assert all(name in _after(said, "ps.on(") for name in ("arrivals", "worse"))
    assert "succeeded" in _after(said, "predict_row")
