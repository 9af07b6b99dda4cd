"""What is Redis' own: a server that is away, full, locked or replaced; passwords; batches of many parts."""

from __future__ import annotations

import gc
import shutil
import subprocess
from pathlib import Path

import pyarrow as pa
import pytest
from feature_oracle import instant
from redis_servers import free_port, redis_at

import penstock as ps
from penstock.errors import DeclarationError, StorageError
from penstock.features import RedisStore
from penstock.features.online import redis_store
from penstock.testing.online_store import age

pytestmark = pytest.mark.server
KEYS = [b"fa@1\0%d" % n for n in range(100)]


def in_redis(root: Path, url: str, **stores: str) -> ps.Project:
    lines = "".join(f'{name} = "{value}"\n' for name, value in {"online": url, **stores}.items())
    (root / "penstock.toml").write_text(f'[project]\nname = "shop"\n[stores]\n{lines}')
    return ps.open(root)


def declared(project: ps.Project) -> ps.FeatureSet:
    made = ps.feature_set("s", entities={"k": "int64"}, timestamp="event", features=["v"], columns={"v": "int64"})
    project.features.apply(made)
    return made


def rows(values: dict[int, int], at: int = 0) -> pa.Table:
    times = pa.array([instant(at)] * len(values), pa.timestamp("us", "UTC"))
    return pa.table({"k": list(values), "event": times, "v": list(values.values())})


def test_a_project_keeps_its_newest_features_in_redis(tmp_path: Path, redis_url: str) -> None:
    import redis

    project = in_redis(tmp_path, redis_url)
    made = declared(project)
    project.features.ingest(made, rows({1: 10, 2: 20}))
    project.features.ingest(made, rows({1: 11}, at=5))
    project.features.ingest(made, rows({2: 19}, at=-5))
    found = ps.open(tmp_path).features.get_online_features(["s:v"], {"k": [1, 2, 3]}, statuses=True)
    assert found.column("v").to_pylist() == [11, 20, None]
    assert found.column("v__status").to_pylist() == ["PRESENT", "PRESENT", "NOT_FOUND"]
    with redis.Redis.from_url(redis_url) as client:
        keys = client.keys()
        assert len(keys) == 3  # two entities and the mark
        assert all(key.startswith(b"{shop}") for key in keys)
        assert {client.ttl(key) for key in keys} == {-1}  # expiry would answer NOT_FOUND for OUTSIDE_MAX_AGE
        client.flushall()  # the server lost everything: the history has it
        assert project.features.materialize("s") == 2
    assert project.features.reader(["s:v"]).row({"k": 1}) == ([11], ["PRESENT"])
    assert not (tmp_path / ".penstock/online").exists()


def test_projects_share_a_server_without_seeing_each_other(redis_url: str) -> None:
    one, other = RedisStore(redis_url, project="one"), RedisStore(redis_url, project="one}x")
    one.put(dict.fromkeys(KEYS, age(1)), mark=(b"a@1", 1))
    other.put(dict.fromkeys(KEYS, age(2)), mark=(b"a@1", 2))
    assert one.clear(b"fa@1\0", mark=b"a@1") == 100
    assert set(other.get(KEYS)) == {age(2)}
    assert (one.mark(b"a@1"), other.mark(b"a@1")) == (0, 2)


def test_several_sets_are_read_in_one_round_trip(redis_url: str) -> None:
    import redis

    store = RedisStore(redis_url)
    store.get(KEYS)  # it connects
    with redis.Redis.from_url(redis_url) as client:
        before = client.info("stats")["total_commands_processed"]
        store.get([b"fa@1\0k", b"fb@1\0k", b"fc@3\0k"])
        assert client.info("stats")["total_commands_processed"] - before == 2  # with this question itself


def test_a_server_that_is_away_is_named_with_what_was_asked(tmp_path: Path) -> None:
    port = free_port()
    store = RedisStore(f"redis://ann:hush-hush@127.0.0.1:{port}/3")
    for ask, what in [
        (lambda: store.get(KEYS), "for 100 records"), (lambda: store.put({b"k": age(1)}), "to store 1 records"),
        (lambda: store.mark(b"a"), "for a mark"), (lambda: store.clear(b"f", mark=b"a"), "to delete a set"),
        (lambda: store.tiles([(b"w", [])]), "for the tiles of 1 owners"),
    ]:  # fmt: skip
        with pytest.raises(StorageError) as caught:
            ask()
        message = str(caught.value)
        assert f"redis://ann@127.0.0.1:{port}/3, asked {what}, does not answer" in message
        assert "Start it, or name another one as `online` in [stores]" in message
        assert "hush" not in f"{message} {caught.value.__cause__!r} {store!r}"
    project = in_redis(tmp_path, f"redis://127.0.0.1:{port}/0")
    with redis_at(port):
        made = declared(project)
    with pytest.raises(StorageError, match="does not answer"):
        project.features.ingest(made, rows({1: 10}), batch="b")  # the history has them all the same
    with redis_at(port):
        assert project.features.ingest(made, rows({1: 10}), batch="b").repeated
        assert project.features.reader(["s:v"]).row({"k": 1}) == ([10], ["PRESENT"])


def test_a_store_that_is_let_go_closes_its_connections(redis_url: str) -> None:
    import redis

    gc.collect()  # what other tests let go
    with redis.Redis.from_url(redis_url) as client:
        before = len(client.client_list())
        store = RedisStore(redis_url)
        store.cycle = store  # type: ignore[attr-defined]  # as where a project holds it
        store.put({b"k": age(1)})
        assert len(client.client_list()) == before + 1
        del store
        gc.collect()
        assert len(client.client_list()) == before


def test_a_server_that_comes_back_is_found_again_and_filled_again(tmp_path: Path) -> None:
    port = free_port()
    project = in_redis(tmp_path, f"redis://127.0.0.1:{port}/0")
    with redis_at(port):
        made = declared(project)
        project.features.ingest(made, rows({1: 10, 2: 20}))
        reader = project.features.reader(["s:v"])
        assert reader.row({"k": 2}) == ([20], ["PRESENT"])
    with pytest.raises(StorageError):
        reader.row({"k": 2})
    with redis_at(port):  # an empty one, which knows no script
        assert reader.row({"k": 2}) == ([None], ["NOT_FOUND"])
        project.features.ingest(made, rows({1: 11}, at=1))
        assert reader.row({"k": 2}) == ([20], ["PRESENT"])
        assert reader.row({"k": 1}) == ([11], ["PRESENT"])


def test_the_password_is_a_secret_or_in_the_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    monkeypatch.delenv("REDISCLI_AUTH", raising=False)
    with redis_at(port, "--requirepass", "hush-hush", address=f"redis://:hush-hush@127.0.0.1:{port}"):
        with pytest.raises(StorageError, match=r"refuses: .*secret REDISCLI_AUTH"):
            in_redis(tmp_path, url).features.ingest(declared(in_redis(tmp_path, url)), rows({1: 1}))
        with pytest.raises(StorageError, match="refuses") as caught:
            RedisStore(f"redis://:wrong-one@127.0.0.1:{port}/0").mark(b"a")
        assert "wrong-one" not in str(caught.value)
        (tmp_path / "password").write_text("hush-hush\n")
        project = in_redis(tmp_path, url)
        with (tmp_path / "penstock.toml").open("a") as file:
            file.write('[secrets]\nREDISCLI_AUTH = { file = "password" }\n')
        project = ps.open(tmp_path)
        project.features.ingest("s", rows({1: 1}))
        assert "hush-hush" not in repr(project.config)
        assert RedisStore(f"redis://:hush-hush@127.0.0.1:{port}/0", project="shop").mark(b"s@1") == 1


def test_a_server_that_would_drop_records_is_refused() -> None:
    port = free_port()
    refused = pytest.raises(StorageError, match=r"drops any records .*allkeys-lru.*set maxmemory-policy noeviction")
    with redis_at(port, "--maxmemory", "50mb", "--maxmemory-policy", "allkeys-lru"), refused:
        RedisStore(f"redis://127.0.0.1:{port}/0").put({b"k": age(1)})


def test_a_server_that_is_full_stores_nothing_of_a_batch_and_goes_on_when_it_has_room() -> None:
    import redis

    port = free_port()
    with redis_at(port, "--maxmemory", "3mb", "--maxmemory-policy", "noeviction"):
        store = RedisStore(f"redis://127.0.0.1:{port}/0")
        store.put(dict.fromkeys(KEYS, age(1)), mark=(b"a@1", 1))
        fill = {b"fb@1\0%d" % n: age(1) + b"x" * 10_000 for n in range(1_000)}

        def one_by_one():
            for key, record in fill.items():
                store.put({key: record})

        with pytest.raises(StorageError, match=r"is full: .*Raise its maxmemory, then materialize the set"):
            one_by_one()
        batch = dict.fromkeys(KEYS, age(2) + b"y" * 10_000)
        with pytest.raises(StorageError, match="is full"):
            store.put(batch, mark=(b"a@1", 2))
        with pytest.raises(StorageError, match="is full"):
            store.put_tiles({(b"wa@1\0k", b"\0" * 9): b"t" * 1_000_000}, mark=(b"a@1/w", 0, 1))
        assert set(store.get(KEYS)) == {age(1)}
        assert (store.mark(b"a@1"), store.mark(b"a@1/w")) == (1, 0)
        with redis.Redis(port=port) as client:
            client.config_set("maxmemory", "100mb")
        store.put(fill | batch, mark=(b"a@1", 2))
        assert set(store.get(KEYS)) == {age(2) + b"y" * 10_000}


def test_a_batch_of_many_parts_that_is_cut_short_is_stored_by_the_next_one(
    redis_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(redis_store, "MOST_RECORDS", 7)
    batch = {key: age(n + 2) for n, key in enumerate(KEYS)}
    for parts in range(16):
        store = RedisStore(redis_url, project=f"p{parts}")
        store.put(dict.fromkeys(KEYS[50:], age(50)), mark=(b"a@1", 1))  # some newer ones are there
        run, done = store._run, []

        def broken(script, keys, arguments, run=run, done=done, parts=parts):
            if len(done) == parts:
                raise StorageError("the process is gone")
            done.append(len(keys))
            return run(script, keys, arguments)

        monkeypatch.setattr(store, "_run", broken)
        if parts < 15:
            with pytest.raises(StorageError):
                store.put(batch, mark=(b"a@1", 2))
            assert store.mark(b"a@1") == 1
            monkeypatch.undo()
            monkeypatch.setattr(redis_store, "MOST_RECORDS", 7)
        RedisStore(redis_url, project=f"p{parts}").put(batch, mark=(b"a@1", 2))
        assert store.get(KEYS) == [max(age(n + 2), age(50) if n >= 50 else b"") for n in range(100)]
        assert store.mark(b"a@1") == 2


def test_over_tls_the_servers_certificate_is_checked(tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not here")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subject = ["-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", *subject]
    subprocess.run([*made, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    port, plain = free_port(), free_port()
    options = ["--tls-port", str(port), "--tls-cert-file", str(certificate), "--tls-key-file", str(key)]
    with redis_at(plain, *options, "--tls-auth-clients", "no"):
        with pytest.raises(StorageError, match="certificate verify failed"):
            RedisStore(f"rediss://127.0.0.1:{port}/0").mark(b"a")
        store = RedisStore(f"rediss://127.0.0.1:{port}/0?ssl_ca_certs={certificate}")
        store.put({b"k": age(1)})
        assert store.get([b"k"]) == [age(1)]
        store.close()


@pytest.mark.parametrize("address", ["redis:host", "sqlite:///x", "redis", "lmdb:", "http://ann:hush-hush@host/0"])
def test_an_address_of_no_store_is_refused_with_what_to_write(tmp_path: Path, address: str) -> None:
    with pytest.raises(DeclarationError, match=r'write "lmdb:.penstock/online", "redis://host:6379/0"') as caught:
        _ = in_redis(tmp_path, address).features
    assert "hush" not in str(caught.value)


def test_an_address_that_no_server_can_have_is_refused() -> None:
    with pytest.raises(DeclarationError, match=r"redis://@?host:port-1/0 cannot be") as caught:
        RedisStore("redis://:hush-hush@host:port-1/0").mark(b"a")
    assert "hush" not in str(caught.value)
