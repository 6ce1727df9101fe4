"""Backups on real servers: what is copied comes back, what is damaged is found, what is half done counts for nothing."""

import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import psycopg
import pytest

from deploy import database as deploy_database
from deploy.database import Urls
from deploy.local.account import UNPRIVILEGED_ID
from deploy.local.postgres import PostgresServer
from deploy.local.secrets import Secrets
from pipelines.defs import backup_automation
from pipelines.defs import backups as defs_backups
from pipelines.defs.backup_automation import AT_MOST_EVERY, backup_sensor, due
from pipelines.defs.backups import NOT_OURS, backup_base, backup_restored, backup_verified, cluster_of
from pipelines.settings import Settings
from pipelines.store import backups, cluster_copy
from pipelines.store.backups import Backup, State
from pipelines.store.turn import Busy
from pipelines.store.warehouse import Warehouse

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


@pytest.fixture
def settings(postgres: PostgresServer, database: Urls, database_template: Secrets) -> Settings:
    """Of an edition whose backups go beside the server's data, as in an installation, with one prediction in its ledger."""
    deploy_database.create_backup_role(postgres.url(), database_template)
    folder = postgres.account.make_folder(postgres.home / "backups" / database.owner.rpartition("/")[2])
    with psycopg.connect(postgres.url(database.owner.rpartition("/")[2])) as connection:
        connection.execute(
            """
            insert into forecast.prediction (prediction_id, match_id, information_set, model_name, model_version, kickoff_at,
                as_of, issued_at, p_home, p_draw, p_away, expected_home_goals, expected_away_goals, features_digest)
            values ('p', 'm', 'results', 'm', 1, now() + interval '1 day', now(), now(), 0.5, 0.3, 0.2, 1.5, 1, 'd')
            """
        )
    return Settings.read(
        {
            "READER_DATABASE_URL": database.reader,
            "MODEL_DATABASE_URL": database.model,
            "REPLICATION_URL": deploy_database.replication_url(postgres.url(), database_template),
            "POSTGRES_BINARIES": str(postgres.binaries),
            "POSTGRES_DATA": str(postgres.data),
            "BACKUPS_DIR": str(folder),
            "BACKUPS_KEPT": "2",
        }
    )


def run(settings: Settings, *assets: dg.AssetsDefinition) -> dg.ExecuteInProcessResult:
    return dg.materialize(
        assets or [backup_base, backup_verified, backup_restored],
        resources={
            "settings": settings,
            "warehouse": Warehouse(settings.model_url),
            "turn": dg.ResourceDefinition.none_resource(),
        },
        raise_on_error=False,
    )


def verdicts(result: dg.ExecuteInProcessResult) -> dict[str, bool]:
    return {each.check_name: each.passed for each in result.get_asset_check_evaluations()}


def published(settings: Settings) -> list[tuple[object, ...]]:
    with psycopg.connect(settings.model_url) as connection:
        return connection.execute(
            "select taken_at, verified_at is not null, restored_at is not null from published.backup order by 1"
        ).fetchall()


@pytest.fixture
def whole(settings: Settings) -> Backup:
    assert run(settings, backup_base).success
    (taken,) = backups.standing(settings.backups_dir)
    return taken


def test_what_was_copied_comes_back_with_all_rows_and_the_ledgers_end(settings: Settings) -> None:
    before = backups.state(Warehouse(settings.reader_url))
    result = run(settings)
    assert result.success
    assert verdicts(result) == {
        "server_is_ours_to_back_up": True,
        "every_byte_is_what_it_was": True,
        "every_table_has_its_rows": True,
        "ledger_ends_where_it_did": True,
    }
    (taken,) = backups.standing(settings.backups_dir)
    assert taken.state == before
    assert (before.n_rows["forecast.prediction"], before.head is not None and before.head.n_predictions) == (1, 1)
    assert published(settings) == [(taken.taken_at, True, True)]
    assert sorted(path.name for path in settings.backups_dir.iterdir()) == [".lock", taken.name]


def test_rows_that_the_backup_did_not_promise_make_the_drill_fail(settings: Settings, whole: Backup) -> None:
    whole.note_verified(NOW)
    notes = json.loads((whole.folder / "taken.json").read_text())
    notes["n_rows"]["forecast.prediction"] += 1
    notes["head"]["link"] = "0" * 64
    (whole.folder / "taken.json").write_text(json.dumps(notes))
    result = run(settings, backup_restored)
    assert not result.success
    assert verdicts(result) == {"every_table_has_its_rows": False, "ledger_ends_where_it_did": False}
    assert backups.standing(settings.backups_dir)[0].restored_at is None


def test_a_flipped_byte_anywhere_in_the_copy_is_found_and_the_copy_does_not_count(settings: Settings, whole: Backup) -> None:
    cluster = cluster_of(settings)
    assert cluster is not None
    cluster_copy.verify(cluster, whole.copy, whole.sha256)
    for name in ("base.tar.gz", "pg_wal.tar.gz", "backup_manifest"):
        content = (whole.copy / name).read_bytes()
        for place in (len(content) // 10, len(content) // 2, len(content) - 6):
            flipped = bytearray(content)
            flipped[place] ^= 0x10
            (whole.copy / name).write_bytes(flipped)
            with pytest.raises(cluster_copy.CopyDamaged, match="is not whole"):
                cluster_copy.verify(cluster, whole.copy, whole.sha256)
        if name != "backup_manifest":
            (whole.copy / name).write_bytes(content)
    result = run(settings, backup_verified)
    assert not result.success
    assert verdicts(result) == {"every_byte_is_what_it_was": False}
    assert result.get_step_failure_events()[0].step_failure_data.user_failure_data.metadata["class"].value == "data"  # type: ignore[union-attr]
    assert backups.last_verified(settings.backups_dir) is None
    assert published(settings) == []


def test_what_was_wrong_already_when_it_was_written_is_found_by_postgresqls_own_programs(
    settings: Settings, whole: Backup
) -> None:
    cluster = cluster_of(settings)
    assert cluster is not None
    wal = (whole.copy / "pg_wal.tar.gz").read_bytes()
    with tarfile.open(whole.copy / "pg_wal.tar.gz", "w:gz"):
        pass  # none of the WAL that the copy needs
    with pytest.raises(cluster_copy.CopyDamaged, match="pg_waldump"):
        cluster_copy.verify(cluster, whole.copy, cluster_copy.digests(whole.copy))
    (whole.copy / "pg_wal.tar.gz").write_bytes(wal)
    content = bytearray((whole.copy / "base.tar.gz").read_bytes())
    content[len(content) // 2] ^= 0x10
    (whole.copy / "base.tar.gz").write_bytes(content)
    with pytest.raises(cluster_copy.CopyDamaged, match="pg_verifybackup"):
        cluster_copy.verify(cluster, whole.copy, cluster_copy.digests(whole.copy))


def test_a_lost_file_of_the_copy_is_found(settings: Settings, whole: Backup) -> None:
    (whole.copy / "pg_wal.tar.gz").unlink()
    assert verdicts(run(settings, backup_verified)) == {"every_byte_is_what_it_was": False}


def test_a_killed_backup_leaves_nothing_that_counts_as_one_and_the_next_goes_through(settings: Settings) -> None:
    program = (
        "import os, pathlib, signal\n"
        "from pipelines.store import backups, cluster_copy\n"
        f"folder = pathlib.Path({str(settings.backups_dir)!r})\n"
        f"cluster = cluster_copy.Cluster(*map(pathlib.Path, {[str(settings.postgres_binaries), str(settings.postgres_data)]!r}),"
        f" {settings.replication_url!r})\n"
        "with backups.only_one(folder) as lock:\n"
        "    cluster_copy.copy(cluster, folder, lock)\n"
        "    print('copied', flush=True)\n"
        "    signal.pause()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "copied\n"
    with pytest.raises(Busy, match="just now"), backups.only_one(settings.backups_dir):
        pass
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stdout.close()
    assert (settings.backups_dir / ".draft/copy/base.tar.gz").exists()
    assert backups.standing(settings.backups_dir) == []
    assert run(settings, backup_base).success
    assert len(backups.standing(settings.backups_dir)) == 1


def test_a_copying_program_whose_parent_was_killed_still_keeps_others_away(settings: Settings) -> None:
    with backups.only_one(settings.backups_dir) as lock:
        orphan = subprocess.Popen(["sleep", "60"], pass_fds=[lock])
    try:
        with pytest.raises(Busy), backups.only_one(settings.backups_dir):
            pass
    finally:
        orphan.kill()
        orphan.wait()
    with backups.only_one(settings.backups_dir):
        pass


@pytest.fixture
def stray(settings: Settings, whole: Backup) -> Iterator[int]:
    """A restored server whose starter was killed: its process id."""
    program = (
        "import pathlib, signal\n"
        "from pipelines.store import cluster_copy\n"
        f"cluster = cluster_copy.Cluster(*map(pathlib.Path, {[str(settings.postgres_binaries), str(settings.postgres_data)]!r}),"
        f" {settings.replication_url!r})\n"
        f"with cluster_copy.restored(cluster, pathlib.Path({str(whole.copy)!r}), 0, {settings.reader_url!r}):\n"
        "    print('up', flush=True)\n"
        "    signal.pause()\n"
    )
    process = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    process.kill()
    process.wait()
    process.stdout.close()
    pid = int((settings.backups_dir / ".restored/data/postmaster.pid").read_text().split()[0])
    yield pid
    if Path(f"/proc/{pid}").exists() and "postgres" in Path(f"/proc/{pid}/cmdline").read_text():
        os.kill(pid, signal.SIGKILL)


def test_a_restored_server_that_was_left_behind_is_stopped_by_the_next_drill(
    settings: Settings, whole: Backup, stray: int
) -> None:
    whole.note_verified(NOW)
    assert run(settings, backup_restored).success
    deadline = time.monotonic() + 10
    while Path(f"/proc/{stray}/exe").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not Path(f"/proc/{stray}/exe").exists()


def test_the_copy_and_the_restored_server_belong_to_who_may_not_be_root(settings: Settings, whole: Backup) -> None:
    expected = UNPRIVILEGED_ID if os.geteuid() == 0 else os.geteuid()
    assert {(whole.copy / name).stat().st_uid for name in ("base.tar.gz", "pg_wal.tar.gz", "backup_manifest")} == {expected}
    cluster = cluster_of(settings)
    assert cluster is not None
    with cluster_copy.restored(cluster, whole.copy, 0, settings.reader_url):
        pid = (settings.backups_dir / ".restored/data/postmaster.pid").read_text().split()[0]
        status = dict(line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    assert status["Uid"].split() == [str(expected)] * 4
    assert not Path(f"/proc/{pid}/exe").exists()


def test_who_copies_may_do_nothing_else(settings: Settings, postgres: PostgresServer) -> None:
    with psycopg.connect(postgres.url()) as connection:
        rights = connection.execute(
            "select rolreplication, rolsuper, rolcreaterole, rolcreatedb, rolbypassrls from pg_roles where rolname = 'football_backup'"
        ).fetchone()
        members = connection.execute("select count(*) from pg_auth_members where member = 'football_backup'::regrole").fetchone()
    assert rights == (True, False, False, False, False)
    assert members == (0,)
    with pytest.raises(psycopg.OperationalError, match="permission denied for database"):
        psycopg.connect(f"{settings.replication_url}{settings.reader_url[settings.reader_url.rindex('/') :]}")


def test_too_full_a_disk_is_told_before_anything_is_copied(settings: Settings) -> None:
    with pytest.raises(OSError, match="make room, or set BACKUPS_KEPT lower"):
        cluster_copy.ensure_room(settings.backups_dir, 10**18)


def test_somebody_elses_server_is_theirs_to_back_up_and_the_check_says_so(settings: Settings) -> None:
    theirs = Settings.read({"BACKUPS_DIR": str(settings.backups_dir), "MODEL_DATABASE_URL": settings.model_url})
    result = run(theirs)
    assert result.success
    (verdict,) = result.get_asset_check_evaluations()
    assert (verdict.passed, verdict.severity, verdict.description) == (False, dg.AssetCheckSeverity.WARN, NOT_OURS)
    assert list(settings.backups_dir.iterdir()) == []


def a_backup(folder: Path, age: timedelta = timedelta(), publication_id: int | None = 1, revision: str = "0020") -> Backup:
    draft = folder / ".draft"
    (draft / "copy").mkdir(parents=True)
    return backups.keep(draft, NOW - age, State({}, None, publication_id, revision), 0, 1.0)


def test_old_backups_go_but_never_the_newest_that_was_found_whole(tmp_path: Path) -> None:
    taken = [a_backup(tmp_path, timedelta(days=k)) for k in range(5)]
    taken[3].note_verified(NOW)
    taken[4].note_verified(NOW)
    assert backups.remove_old(tmp_path, 1) == [taken[1].name, taken[2].name, taken[4].name]
    assert [each.name for each in backups.standing(tmp_path)] == [taken[0].name, taken[3].name]


def test_those_that_are_not_whole_never_push_out_those_that_are(tmp_path: Path) -> None:
    whole = [a_backup(tmp_path, timedelta(days=k)).note_verified(NOW).name for k in range(3, 6)]
    newest = a_backup(tmp_path).name
    assert backups.remove_old(tmp_path, 2) == [whole[2]]
    assert [each.name for each in backups.standing(tmp_path)] == [newest, *whole[:2]]


def test_backups_that_are_never_found_whole_do_not_pile_up(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    def damaged(*_: object) -> None:
        raise cluster_copy.CopyDamaged("It is not whole.")

    monkeypatch.setattr(defs_backups, "verify", damaged)
    for _ in range(3):
        assert verdicts(run(settings, backup_base, backup_verified))["every_byte_is_what_it_was"] is False
        (left,) = backups.standing(settings.backups_dir)
    # Nor do they where the run ends before anybody reads them.
    for _ in range(2):
        assert run(settings, backup_base).success
    assert [each.name for each in backups.standing(settings.backups_dir)][2:] == []
    assert left.name not in {each.name for each in backups.standing(settings.backups_dir)}


@pytest.mark.parametrize(
    ("publication_id", "revision", "age", "reason"),
    [
        (None, "0020", timedelta(days=9), None),
        (1, "0020", timedelta(hours=23), None),
        (1, "0020", timedelta(hours=24), "the last is a day old"),
        (2, "0020", timedelta(), "publication 2 is in no backup"),
        (1, "0021", timedelta(), "the tables were brought to revision 0021 since the last"),
    ],
)
def test_a_backup_is_due_behind_a_publication_a_migration_and_a_day(
    tmp_path: Path, publication_id: int | None, revision: str, age: timedelta, reason: str | None
) -> None:
    assert due(a_backup(tmp_path, age), publication_id, revision, NOW) == reason


def test_a_backup_that_fails_for_ever_is_asked_for_twelve_times_a_day(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Clock(datetime):
        moment = NOW

        @classmethod
        def now(cls, tz: object = None) -> "Clock":  # type: ignore[override]
            return cls.fromisoformat(cls.moment.isoformat())

    monkeypatch.setattr(backup_automation, "datetime", Clock)
    monkeypatch.setattr(backup_automation.Settings, "read", lambda: settings)
    monkeypatch.setattr(backup_automation.backups, "marks", lambda _: (1, "0020"))  # the database is asked in the tests above
    asked, cursor = [], None
    with dg.DagsterInstance.ephemeral() as instance:
        for minute in range(24 * 60):
            Clock.moment = NOW + timedelta(minutes=minute)
            said = backup_sensor(dg.build_sensor_context(instance, cursor=cursor))
            if isinstance(said, dg.SensorResult):
                asked.append(minute)
                cursor = said.cursor
    assert asked == list(range(0, 24 * 60, int(AT_MOST_EVERY.total_seconds() / 60)))
    assert len(asked) == 12


def test_what_a_backup_follows_is_read_as_the_reader(settings: Settings) -> None:
    publication_id, revision = backups.marks(Warehouse(settings.reader_url))
    assert publication_id is None
    assert revision >= "0021"
