"""README.md as a newcomer reads it: every block is taken from the page and run as it is printed."""

from __future__ import annotations

import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest
from click.testing import CliRunner

import penstock as ps
from penstock.cli import main

pytestmark = pytest.mark.usefixtures("warm_workers")

README = Path(__file__).parents[2] / "README.md"
PORT = "8000"  # as the page has it; the test's server is on another


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README.read_text(), re.MULTILINE | re.DOTALL)


def commands(first: str) -> list[tuple[list[str], str]]:
    """Return the command lines that begin with a word, as arguments and the comment behind."""
    text = "\n".join(blocks("sh"))
    found = re.findall(rf"^{first} (?:'[^']*'|[^\n'#])*(?:#[^\n]*)?$", text, re.MULTILINE)
    return [(shlex.split(line, comments=True), line.partition("  # ")[2]) for line in found]


def rows() -> pa.Table:
    random, count = np.random.default_rng(0), 3000
    delay = random.exponential(20, count).round().astype("int64")
    return pa.table(
        {
            "time_hour": pa.array(1_357_000_000_000_000 + np.arange(count) * 3_600_000_000, pa.timestamp("us", "UTC")),
            "carrier": pa.array(np.array(["AA", "UA", "DL"])[random.integers(0, 3, count)]),
            "distance": random.integers(100, 2500, count),
            "dep_delay": delay,
            "arr_delay": delay + random.normal(0, 5, count),
        }
    )


def listings() -> pa.Table:
    """Return flats to rent, whose photograph is a shade of grey."""
    chance, names = np.random.default_rng(0), ["Oslo", "Bergen"]
    made = []
    for shade in chance.integers(0, 256, 100).tolist():
        words = chance.choice(["lovely", "small", "old", "flat"], 5)
        price = shade + 100.0 * words.tolist().count("lovely")
        picture, rooms = b"P5\n1 1\n255\n" + bytes([shade]), int(chance.integers(1, 5))
        made.append(
            {"photo": picture, "review": " ".join(words), "city": names[shade % 2], "rooms": rooms, "price": price}
        )
    return pa.Table.from_pylist(made)


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The project that the page describes, and its folder the current one."""
    root, before = tmp_path_factory.mktemp("readme"), Path.cwd()
    pyarrow.parquet.write_table(rows(), root / "flights.parquet")
    pyarrow.parquet.write_table(listings(), root / "listings.parquet")
    (root / "flights.py").write_text(blocks("python")[0])
    (root / "penstock.toml").write_text(blocks("toml")[0])
    os.chdir(root)
    yield root
    os.chdir(before)
    sys.modules.pop("flights", None)
    sys.path[:] = [path for path in sys.path if path != str(root)]


@pytest.fixture(scope="module")
def ran(root: Path) -> Path:
    """The project after every Python block, in order, as one program; without PyTorch but for networks."""
    networks = importlib.util.find_spec("torch") is not None
    told = [block for block in blocks("python")[1:] if networks or 'type="dnn_' not in block]
    program = "\n".join(["import penstock as ps", *told])
    exec(compile(program, "README.md", "exec"), {})
    return root


def test_the_commands_of_the_page_run_and_say_what_it_says(root: Path) -> None:
    for arguments, comment in commands("penstock"):
        if arguments[1] in ("serve", "verify"):
            continue
        result = CliRunner().invoke(main, arguments[1:])
        assert result.exit_code == 0, (arguments, result.output)
        if arguments[1] == "why":
            assert result.stdout.strip() == comment.strip()


def test_the_python_of_the_page_runs_as_one_program(ran: Path) -> None:
    assert (ran / "delays" / "model.json").is_file()
    assert ps.open(ran).runs(experiment="depth")[0].state == "succeeded"


def test_both_fronts_of_the_page_predict_the_same(ran: Path) -> None:
    from_python = ps.load_model(ran / "delays")
    predicted = ps.open(ran).sql(blocks("sql")[0]).to_pylist()[0]
    given = {name: predicted[name] for name in ("dep_delay", "carrier", "distance", "time_hour")}
    assert set(from_python.signature.inputs.names) == set(given)
    # The statement holds rows out to evaluate with, as BigQuery does by default: about the same constants.
    again = from_python.predict([given]).to_pylist()[0]["predicted_arr_delay"]
    assert again == pytest.approx(predicted["predicted_arr_delay"], abs=1.0)


def test_the_requests_of_the_page_are_answered(ran: Path) -> None:
    server = [sys.executable, "-m", "penstock", "serve", "--port", "0"]
    with subprocess.Popen(server, cwd=ran, stdout=subprocess.PIPE, text=True) as process:
        try:
            line = next(line for line in process.stdout or () if "http://" in line)
            port = line.partition("http://127.0.0.1:")[2].partition(" ")[0]
            asked = [arguments for arguments, _ in commands("curl")]
            assert len(asked) >= 4
            for arguments in asked:
                body = arguments[arguments.index("-d") + 1].encode() if "-d" in arguments else None
                with urllib.request.urlopen("http://" + arguments[1].replace(PORT, port), body) as response:
                    assert response.status in (200, 201)
                    assert json.load(response)
            for arguments, _ in commands("penstock verify"):
                url = arguments[-1].replace(PORT, port)
                result = CliRunner().invoke(main, [*arguments[1:-1], url])
                assert result.exit_code == 0, result.output
        finally:
            process.terminate()
