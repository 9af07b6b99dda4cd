"""What comes out of a container is looked at before it counts."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from penstock.core.artifact import Artifact
from penstock.core.ports import Outcome
from penstock.engines.exchange import Exchange, Result, collect, collect_beside, new_exchange, orphans
from penstock.errors import CorruptArtifactError
from penstock.stores import LocalArtifactStore


@pytest.fixture
def exchange(tmp_path: Path) -> Exchange:
    made = new_exchange(tmp_path / "state")
    made.make(owner=None)
    return made


@pytest.fixture
def store(tmp_path: Path) -> LocalArtifactStore:
    return LocalArtifactStore(tmp_path / "store")


def outcome(**outputs: str) -> Outcome:
    made = {name: Artifact(digest=digest, kind="bytes", uri="file:///inside") for name, digest in outputs.items()}
    return Outcome(task="t", state="succeeded", outputs=made, observed={"file:a": "b"})


def test_blobs_go_to_the_store_and_outputs_are_there(exchange: Exchange, store: LocalArtifactStore):
    inside = LocalArtifactStore(exchange.artifacts)
    digest, other = inside.put(b"content"), inside.put(b"of a list")
    taken = collect(exchange, outcome(result=digest), store)
    assert taken.outputs["result"].uri == store.path(digest).as_uri()
    assert store.path(digest).read_bytes() == b"content"
    assert store.has(other)


def test_an_output_that_was_in_the_store_before_needs_no_blob(exchange: Exchange, store: LocalArtifactStore):
    digest = store.put(b"content")
    assert collect(exchange, outcome(result=digest), store).outputs["result"].digest == digest


def test_a_blob_of_other_bytes_is_refused(exchange: Exchange, store: LocalArtifactStore):
    digest = LocalArtifactStore(exchange.artifacts).put(b"content")
    blob = exchange.artifacts / "cas" / digest[:2] / digest[2:]
    blob.unlink()
    blob.write_bytes(b"other")
    with pytest.raises(CorruptArtifactError, match="nothing of it counts"):
        collect(exchange, outcome(result=digest), store)
    assert not store.has(digest)


def test_an_output_without_a_blob_is_refused(exchange: Exchange, store: LocalArtifactStore):
    with pytest.raises(CorruptArtifactError):
        collect(exchange, outcome(result="ab" * 32), store)


@pytest.mark.parametrize("place", ["cas/ab/cd", "cas/ab"])
def test_a_symbolic_link_is_refused(exchange: Exchange, store: LocalArtifactStore, tmp_path: Path, place: str):
    (tmp_path / "secret").write_text("of this machine")
    link = exchange.artifacts / place
    link.parent.mkdir(parents=True)
    link.symlink_to(tmp_path / "secret" if place.count("/") == 2 else tmp_path)
    with pytest.raises(CorruptArtifactError, match="among its blobs"):
        collect(exchange, outcome(), store)


def test_only_files_of_the_step_s_own_log_are_taken_from_beside_it(exchange: Exchange, tmp_path: Path):
    log = tmp_path / "logs" / "fit.log"
    log.parent.mkdir()
    for name in ("fit.metrics.jsonl", "other.metrics.jsonl", "fit.log"):
        (exchange.beside / name).write_text(name)
    (exchange.beside / "fit.link").symlink_to("/etc/passwd")
    collect_beside(exchange, log)
    assert [path.name for path in log.parent.iterdir()] == ["fit.metrics.jsonl"]


def test_a_result_travels_and_anything_else_is_refused(exchange: Exchange):
    assert exchange.read_result() is None
    result = Result(exit_code=0, cause="", started=1.0, peak_memory_bytes=2, outcome=outcome(result="ab"))
    exchange.write_result(result)
    assert exchange.read_result() == result
    (exchange.folder / "result").write_text('{"exit_code": "zero"}')
    with pytest.raises(msgspec.ValidationError):
        exchange.read_result()


def test_folders_of_processes_that_are_gone_are_orphans(tmp_path: Path):
    state = tmp_path / "state"
    code = (
        "import sys; from pathlib import Path; from penstock.engines.exchange import new_exchange\n"
        "made = new_exchange(Path(sys.argv[1])); made.make(owner=None); print(made.folder)"
    )
    done = subprocess.run([sys.executable, "-c", code, state], capture_output=True, text=True, check=True)
    mine = new_exchange(state)
    mine.make(owner=None)
    assert [str(each.folder) for each in orphans(state)] == [done.stdout.strip()]
