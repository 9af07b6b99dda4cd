"""Finding podman or docker, and what a host makes it need."""

from __future__ import annotations

from pathlib import Path

import pytest

from penstock.errors import ContainerError, UnknownNameError
from penstock.images import find_runtime, remedied

LIMITS = "Error: crun: setrlimit `RLIMIT_NOFILE`: Operation not permitted: OCI permission denied"
HYBRID = "Error: crun: cgroups in hybrid mode not supported, drop all controllers from cgroupv2"


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", str(folder))
    return folder


def test_podman_comes_before_docker_unless_docker_is_wanted(programs: Path, tmp_path: Path):
    for name in ("podman", "docker"):
        (programs / name).touch(0o755)
    assert find_runtime(state=tmp_path).program == "podman"
    assert find_runtime("docker", state=tmp_path).program == "docker"


def test_without_either_the_error_says_what_to_do(programs: Path, tmp_path: Path):
    with pytest.raises(ContainerError, match=r"neither podman nor docker .* apt-get install podman"):
        find_runtime(state=tmp_path)
    with pytest.raises(ContainerError, match="'docker' is not on the PATH"):
        find_runtime("docker", state=tmp_path)


def test_another_runtime_is_an_unknown_name(tmp_path: Path):
    with pytest.raises(UnknownNameError, match="Did you mean 'podman'"):
        find_runtime("podmann", state=tmp_path)


def test_what_a_host_needs_is_found_out_once_and_remembered(programs: Path, tmp_path: Path):
    for name in ("podman", "runc"):
        (programs / name).touch(0o755)
    runtime = find_runtime(state=tmp_path)
    assert runtime.command("run", "image")[1:] == ["run", "image"]
    first = remedied(runtime, LIMITS)
    assert first is not None
    second = remedied(first, HYBRID)
    assert second is not None
    assert remedied(second, LIMITS) is None
    assert remedied(second, "Error: no such image") is None
    again = find_runtime(state=tmp_path).command("run", "image")[1:]
    assert again == second.command("run", "image")[1:]
    assert again[:3] == ["--runtime", "runc", "run"]
    assert again.count("--ulimit") == 2
    assert find_runtime(state=tmp_path).command("image", "inspect", "x")[1:] == [
        "--runtime",
        "runc",
        "image",
        "inspect",
        "x",
    ]


def test_a_failed_call_says_what_the_program_said(programs: Path, tmp_path: Path):
    (programs / "podman").write_text("#!/bin/sh\necho 'Error: no such volume' >&2; exit 125\n")
    (programs / "podman").chmod(0o755)
    with pytest.raises(ContainerError, match="`podman volume inspect` failed: no such volume"):
        find_runtime(state=tmp_path).call("volume", "inspect", "x")
