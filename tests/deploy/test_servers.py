"""The embedded servers: who they run as, who may enter, and what happens when one is killed."""

import os
import shutil
import signal
import stat
import time
from pathlib import Path

import psycopg
import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from deploy.local.account import UNPRIVILEGED_ID, install, services_home
from deploy.local.ports import Ports, is_free, is_open
from deploy.local.postgres import PostgresServer
from deploy.local.secrets import Secrets
from deploy.local.server import ServerError
from deploy.local.valkey import ValkeyServer


def remove_home(local_dir: Path) -> None:
    """What servers of `local_dir` laid out elsewhere."""
    if services_home(local_dir) != local_dir:
        shutil.rmtree(services_home(local_dir))


def setting(server: PostgresServer, name: str) -> str:
    with psycopg.connect(server.url()) as connection:
        row = connection.execute("select current_setting(%s)", [name]).fetchone()
    assert row is not None
    return str(row[0])


def test_no_server_runs_as_root_because_sql_can_start_programs_and_read_files(
    postgres: PostgresServer, valkey: ValkeyServer
) -> None:
    expected = UNPRIVILEGED_ID if os.geteuid() == 0 else os.geteuid()
    for server in (postgres, valkey):
        process = Path(f"/proc/{server.pid}")
        if not process.exists():
            pytest.skip("no /proc on this system")
        fields = dict(line.split(":", 1) for line in (process / "status").read_text().splitlines())
        assert fields["Uid"].split() == [str(expected)] * 4
        if os.geteuid() == 0:
            assert fields["Groups"].split() == []


def test_the_data_can_be_entered_by_the_server_alone(postgres: PostgresServer, valkey: ValkeyServer) -> None:
    for server in (postgres, valkey):
        assert stat.S_IMODE(server.data.stat().st_mode) == 0o700


def test_the_superuser_needs_the_password_and_it_is_kept_as_scram(postgres: PostgresServer) -> None:
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(postgres.url().replace(postgres.password, "wrong"))
    with pytest.raises(psycopg.OperationalError, match="no password supplied"):
        psycopg.connect(postgres.url().replace(f":{postgres.password}", ""))
    with psycopg.connect(postgres.url()) as connection:
        stored = connection.execute("select distinct left(rolpassword, 13) from pg_authid where rolcanlogin").fetchall()
    assert stored == [("SCRAM-SHA-256",)]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("data_checksums", "on"),
        ("summarize_wal", "on"),
        ("listen_addresses", "127.0.0.1"),
        ("password_encryption", "scram-sha-256"),
        ("shared_preload_libraries", "pg_stat_statements"),
        ("server_encoding", "UTF8"),
        ("timezone", "UTC"),
    ],
)
def test_a_setting_that_safety_or_backups_rest_on_is_in_force(postgres: PostgresServer, name: str, value: str) -> None:
    assert setting(postgres, name) == value


def test_text_is_ordered_alike_on_every_machine(postgres: PostgresServer) -> None:
    with psycopg.connect(postgres.url()) as connection:
        assert connection.execute("select distinct datlocprovider, datlocale from pg_database").fetchall() == [("b", "C.UTF-8")]
        row = connection.execute(
            "select array_agg(name order by name), upper('é') from unnest('{b,a,B,É}'::text[]) name"
        ).fetchone()
    assert row == (["B", "a", "b", "É"], "É")


def test_the_cache_needs_the_password_and_cannot_be_administered_with_it(valkey: ValkeyServer) -> None:
    with redis.Redis(port=valkey.port, retry=Retry(NoBackoff(), 0)) as stranger, pytest.raises(redis.AuthenticationError):
        stranger.ping()
    with redis.Redis.from_url(valkey.url) as client:
        assert client.set("key", "value", ex=5)
        for forbidden in (["FLUSHALL"], ["CONFIG", "GET", "maxmemory"], ["KEYS", "*"], ["SHUTDOWN"], ["ACL", "LIST"]):
            with pytest.raises(redis.exceptions.NoPermissionError):
                client.execute_command(*forbidden)
        memory = client.info("memory")
        assert memory["maxmemory_policy"] == "allkeys-lru"
        assert memory["maxmemory"] == 128 * 2**20
        assert client.info("persistence")["aof_enabled"] == 0


def test_a_cluster_keeps_its_data_over_a_stop_and_a_killed_postmaster(tmp_path: Path) -> None:
    ports = Ports(tmp_path / "ports.json")
    server = PostgresServer(services_home(tmp_path), ports.claim("postgres"), password=Secrets(tmp_path).get("postgres"))
    try:
        with server.running():
            with psycopg.connect(server.url(), autocommit=True) as connection:
                connection.execute("create table kept as select 42 as answer")
            os.kill(server.pid, signal.SIGKILL)
            server.stop()
        # Its last processes may hold the shared memory for a second or two: whoever restarts it has to try again.
        deadline = time.monotonic() + 15
        while True:
            try:
                server.start()
                break
            except ServerError:
                assert time.monotonic() < deadline
                time.sleep(0.3)
        with psycopg.connect(server.url()) as connection:
            assert connection.execute("select answer from kept").fetchone() == (42,)
        server.stop()
        assert not is_open(server.port)

        server.is_new = True  # the secrets were made anew, so whoever used these data is gone
        server.prepare()
        assert len(list(server.home.glob("postgres.without-secrets-*"))) == 1
        with server.running(), psycopg.connect(server.url()) as connection:
            assert connection.execute("select to_regclass('kept')").fetchone() == (None,)
    finally:
        server.stop()
        remove_home(tmp_path)


def test_a_server_that_cannot_start_says_why_with_its_own_words(valkey: ValkeyServer, tmp_path: Path) -> None:
    second = ValkeyServer(services_home(tmp_path), valkey.port, password="another")
    try:
        with pytest.raises(ServerError, match="Address already in use"):
            second.start()
    finally:
        remove_home(tmp_path)


def test_a_port_is_remembered_and_below_the_ports_that_clients_are_given(tmp_path: Path) -> None:
    ports = Ports(tmp_path / "ports.json")
    port = ports.claim("api")
    assert 20000 <= port < 32768
    assert is_free(port)
    assert [ports.get("api"), ports.claim("api"), Ports(tmp_path / "ports.json").get("api")] == [port] * 3


def test_a_port_that_a_stranger_took_is_given_up(tmp_path: Path, valkey: ValkeyServer) -> None:
    (tmp_path / "ports.json").write_text(f'{{"api": {valkey.port}}}')
    ports = Ports(tmp_path / "ports.json")
    assert ports.get("api") == valkey.port
    assert ports.claim("api") != valkey.port


def test_a_secret_is_made_once_and_readable_by_its_owner_alone(tmp_path: Path) -> None:
    secrets = Secrets(tmp_path / "secrets")
    assert not secrets.has("a")
    assert len(secrets.get("a")) == 43
    assert secrets.get("a") == secrets.get("a") != secrets.get("b")
    assert stat.S_IMODE((tmp_path / "secrets").stat().st_mode) == 0o700
    assert stat.S_IMODE(secrets.path("a").stat().st_mode) == 0o600


def test_an_installation_that_broke_off_is_never_taken_for_a_whole_one(tmp_path: Path) -> None:
    def break_off(folder: Path) -> None:
        (folder / "half").touch()
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        install(tmp_path / "program", break_off)
    assert not (tmp_path / "program").exists()
    assert list(install(tmp_path / "program", lambda folder: (folder / "whole").touch()).iterdir()) == [
        tmp_path / "program/whole"
    ]
