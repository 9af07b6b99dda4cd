"""`ps.secret`: named everywhere, known only in the step, kept nowhere. Each promise is tested on every byte on disk."""

from __future__ import annotations

import base64
import os
import pickle
import subprocess
import sys
from pathlib import Path

import pytest

import penstock as ps
import warm
from penstock.secrets import masked, masking

pytestmark = pytest.mark.usefixtures("warm_workers")

SECRET = "hunter2-öß/+ correct horse"

STEPS = """
import ctypes, os, subprocess, sys, threading
import penstock as ps

TOKEN = ps.secret("TOKEN")


@ps.step
def talk(token: ps.Secret) -> int:
    print("before", token)
    text = token.get()
    print("plainly", text)
    print("to stderr", text, file=sys.stderr)
    os.write(1, b"in halves " + text.encode()[:7])
    os.write(1, text.encode()[7:] + b"\\n")
    ctypes.CDLL(None).puts(b"from C " + text.encode())
    ctypes.CDLL(None).fflush(None)
    subprocess.run(["sh", "-c", "echo from a child $TEXT"], env={**os.environ, "TEXT": text}, check=True)
    print("in repr", repr(text), [text])
    print("after")
    return 1


@ps.step
def flood(token: ps.Secret) -> int:
    token.get()
    puts = ctypes.PyDLL(None).puts  # native code that keeps Python's lock while it writes more than a pipe holds
    for _ in range(3000):
        puts(b"x" * 100)
    return 1


@ps.step
def fail(token: ps.Secret) -> int:
    raise ValueError(f"cannot log in with {token.get()}")


@ps.step
def crash(token: ps.Secret) -> int:
    print("last words with", token.get())
    sys.stdout.flush()
    os.abort()


@ps.step
def give(form: str) -> object:
    text = TOKEN.get()
    match form:
        case "text": return text
        case "list": return {"deep": ["in", {"it": f"see {text} here"}]}
        case "bytes": return b"\\0" + text.encode()
        case "file":
            with open("out.bin", "wb") as file:
                file.write(b"\\1" * 100_000 + text.encode())
            from pathlib import Path
            return Path("out.bin")
        case "table":
            import pyarrow as pa
            return pa.table({"who": ["a", text]})
    return len(text)


@ps.step
def login(token: ps.Secret, user: str = "me") -> int:
    return len(token.get())


@ps.pipeline
def all_kinds(with_crash: bool = False, token: ps.Secret = TOKEN):
    talk(token)
    flood(token)
    fail(token)
    crash(token, when=with_crash)
    for form in ("text", "list", "bytes", "file", "table", "nothing"):
        give.configured(name=f"give_{form}")(form)


@ps.pipeline
def logging_in(token: ps.Secret = TOKEN):
    login(token)
"""


def new_folder(folder: Path, configuration: str = "") -> Path:
    (folder / "penstock.toml").write_text(f'[project]\nmodules = ["secret_steps"]\n{configuration}')
    (folder / "secret_steps.py").write_text(STEPS)
    return folder


@pytest.fixture(scope="module", params=["inline", "local"])
def ran(request, tmp_path_factory):
    """A run of everything that may give a secret away, by the command line, and what that printed."""
    folder = new_folder(tmp_path_factory.mktemp("secrets"))
    command = [warm.python(), "-m", "penstock", "run", "all_kinds", "--engine", request.param]
    command += ["-p", f"with_crash={'true' if request.param == 'local' else 'false'}"]
    environment = {**os.environ, "TOKEN": SECRET}
    said = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
    (run,) = ps.open(folder).runs()
    return folder, run, said


@pytest.fixture
def project(tmp_path, monkeypatch):
    """A project whose steps run in worker processes, so that this one learns no secret."""
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "secret_steps", raising=False)
    return ps.open(new_folder(tmp_path, '[secrets]\nfile = "many.toml"\nOTHER = { file = "other.txt" }\n'))


def everything_kept(folder: Path) -> bytes:
    """Every byte below .penstock, with the names of the files."""
    files = [path for path in sorted((folder / ".penstock").rglob("*")) if path.is_file()]
    assert files
    return b"\n".join(str(path).encode() + b"\n" + path.read_bytes() for path in files)


def assert_unknown(content: bytes) -> None:
    for form in (SECRET, repr(SECRET)[1:-1], base64.b64encode(SECRET.encode()).decode(), SECRET[:14]):
        assert form.encode() not in content


def test_a_secret_is_masked_in_everything_a_step_prints(ran):
    _, run, _ = ran
    assert sorted(run.steps["talk"].log().splitlines()) == sorted(
        [
            "before ps.secret('TOKEN')",
            "plainly ***",
            "to stderr ***",
            "in halves ***",
            "from C ***",
            "from a child ***",
            "in repr '***' ['***']",
            "after",
        ]
    )


def test_a_secret_is_kept_nowhere_and_shown_nowhere(ran):
    folder, _, said = ran
    assert_unknown(everything_kept(folder))
    assert_unknown((said.stdout + said.stderr).encode())


def test_native_code_that_holds_the_lock_does_not_wait_for_ever(ran):
    _, run, _ = ran
    assert run.steps["flood"].state == "succeeded"
    assert run.steps["flood"].log() == ("x" * 100 + "\n") * 3000


def test_an_error_does_not_tell(ran):
    _, run, said = ran
    assert run.steps["fail"].record.error.startswith("ValueError: cannot log in with ***\n")
    assert "ValueError: cannot log in with ***" in said.stderr


def test_the_last_words_of_a_step_that_crashes_arrive_masked(ran):
    _, run, _ = ran
    step = run.steps["crash"]
    if step.state != "skipped":  # inline, the crash would be ours
        assert step.log().startswith("last words with ***\n")
        assert "Fatal Python error: Aborted" in step.log()


@pytest.mark.parametrize("form", ["text", "list", "bytes", "file", "table"])
def test_what_contains_a_secret_is_not_stored(ran, form):
    _, run, _ = ran
    said = f"what step 'give_{form}' gives contains the secret 'TOKEN', so it is not stored"
    assert run.steps[f"give_{form}"].record.error.startswith(said)


def test_what_does_not_contain_it_is_stored(ran):
    _, run, _ = ran
    assert run.artifact("give_nothing").load() == len(SECRET)


def test_a_secret_that_is_not_there_is_named_before_anything_runs(project):
    with pytest.raises(ps.errors.DeclarationError) as error:
        project.run("logging_in", token="THIRD")
    said = "step 'login' needs a secret as 'token': the secret 'THIRD' is not there; looked for the environment"
    places = f"{project.root / 'many.toml'} (as THIRD = ...), /run/secrets/THIRD. Set one of them"
    assert str(error.value).startswith(said)
    assert str(error.value).endswith(places)
    assert project.runs() == []


def test_another_value_is_no_reason_to_run_again_another_name_is(project, monkeypatch):
    (project.root / "many.toml").write_text(f'TOKEN = "{SECRET}"\n')
    (project.root / "other.txt").write_text("another secret\n")
    assert project.run("logging_in").artifact("login").load() == len(SECRET)
    (project.root / "many.toml").write_text('TOKEN = "rotated"\n')
    assert project.run("logging_in").steps["login"].state == "up_to_date"
    monkeypatch.setenv("TOKEN", "from the environment")
    assert project.run("logging_in").steps["login"].state == "up_to_date"
    other = project.run("logging_in", token=ps.secret("OTHER"))
    assert other.artifact("login").load() == len("another secret")
    assert other.params == {"token": "ps.secret('OTHER')"}
    assert "token changed ps.secret('TOKEN') -> ps.secret('OTHER')" in project.why(other, "login")
    assert_unknown(everything_kept(project.root))


def test_a_secret_written_into_the_configuration_is_refused_without_being_repeated(tmp_path):
    with pytest.raises(ps.errors.DeclarationError, match=r"'TOKEN' in \[secrets\] .* names no file") as error:
        ps.open(new_folder(tmp_path, f'[secrets]\nTOKEN = "{SECRET}"\n'))
    assert_unknown(str(error.value).encode())


def test_the_text_of_a_secret_is_no_parameter(tmp_path, monkeypatch):
    monkeypatch.setenv("DOOR_CODE", "quite secret 17")

    @ps.step
    def enter(code: str) -> int:
        return len(code)

    @ps.pipeline
    def entering() -> None:
        enter("code " + ps.secret("DOOR_CODE").get())

    project = ps.open(tmp_path)
    with pytest.raises(ps.errors.DeclarationError, match="given the text of the secret 'DOOR_CODE' as 'code'"):
        project.run(entering, engine="inline")
    assert project.runs() == []


def test_a_text_is_no_secret_and_a_secret_no_text(tmp_path):
    @ps.step
    def takes_secret(token: ps.Secret) -> int:
        return 1

    @ps.step
    def takes_text(token: str) -> int:
        return 1

    @ps.pipeline
    def wrong() -> None:
        takes_secret("plain")

    @ps.pipeline
    def wrong_too() -> None:
        takes_text(ps.secret("TOKEN"))

    project = ps.open(tmp_path)
    for pipeline, said in ((wrong, "takes token: 'ps.Secret', but got 'plain'"), (wrong_too, "takes token: 'str'")):
        with pytest.raises(ps.errors.DeclarationError, match=said):
            project.plan(pipeline)


@pytest.fixture(autouse=True)
def forgotten():
    """What this process has learned is no secret to the tests that come after."""
    yield
    masking._revealed.clear()


def test_a_secret_is_its_name(monkeypatch):
    monkeypatch.setenv("A_NAME", "the value of it")
    secret = ps.secret("A_NAME")
    assert secret.get() == "the value of it"
    assert secret == ps.secret("A_NAME") != ps.secret("B_NAME")
    assert len({secret, ps.secret("A_NAME")}) == 1
    assert str(secret) == repr(secret) == f"{secret}" == "ps.secret('A_NAME')"
    assert b"the value" not in pickle.dumps(secret)


@pytest.mark.parametrize("name", ["", "a b", "1st", "a/b", "A=B"])
def test_what_is_no_name_is_refused(name):
    with pytest.raises(ps.errors.DeclarationError, match="is no name of a secret"):
        ps.secret(name)


def test_one_that_is_too_short_to_be_masked_is_refused_without_being_repeated(monkeypatch):
    monkeypatch.setenv("SHORT", "xyz")
    with pytest.raises(ps.errors.DeclarationError, match="'SHORT' has less than 4 characters") as error:
        ps.secret("SHORT").get()
    assert "xyz" not in str(error.value)


def test_every_way_it_is_written_is_masked(monkeypatch):
    monkeypatch.setenv("PEM", "-----BEGIN KEY-----\nMIIEvQIBADANBg+/kqhk\n-----END KEY-----")
    value = ps.secret("PEM").get()
    for text in (value, repr(value), base64.b64encode(value.encode()).decode(), "x MIIEvQIBADANBg+/kqhk y"):
        assert "MIIE" not in masked(text)
        assert base64.b64encode(value.encode()).decode() not in masked(text)
    assert "BADANBg%2B" not in masked("https://x/?key=" + __import__("urllib.parse").parse.quote(value, safe=""))
