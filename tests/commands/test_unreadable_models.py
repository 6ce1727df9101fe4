"""A model that this code cannot read: what a build does about it, and what a rollback and a reproduction say."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import dagster as dg
import mlflow
import pandas as pd
import pytest
from click.testing import CliRunner

from deploy.database import Urls
from pipelines.commands import runs
from pipelines.commands.models import models
from pipelines.defs.champions import legible, made_by
from pipelines.defs.training import training
from pipelines.reproduction import NotReproducible, _model
from pipelines.settings import Settings
from pipelines.store.basis import Issued
from pipelines.store.registry import CHAMPION, ModelVersion, Registry
from pipelines.store.warehouse import Warehouse

OTHER = {"format": "1"}
REVISION = "0123456789abcdef0123456789abcdef01234567"

Register = Callable[..., None]


@pytest.fixture
def settings(database: Urls, mlflow_server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    found = Settings.read(
        {
            "MODEL_DATABASE_URL": database.model,
            "MLFLOW_TRACKING_URI": mlflow_server,
            "STATE_DIR": str(tmp_path),
            "EDITION": uuid4().hex[:8],
        }
    )
    monkeypatch.setattr(Settings, "read", lambda: found)
    return found


@pytest.fixture
def register(settings: Settings) -> Register:
    """The next version of a set's model, promoted, without files: nobody here reads them."""
    client = mlflow.MlflowClient(settings.mlflow_tracking_uri, settings.mlflow_tracking_uri)

    def make(information_set: str, **tags: str) -> None:
        name = settings.model_name(information_set)
        n_before = len(client.search_model_versions(f"name = '{name}'"))
        if n_before == 0:
            client.create_registered_model(name)
        told = {"recipe": information_set, "git_revision": REVISION, **legible(information_set), **tags}
        run, tags = client.create_run("0").info, {**told, "promoted_at": f"2026-01-0{n_before + 1}"}
        made = client.create_model_version(name, run.artifact_uri, run.run_id, tags=tags)
        client.set_registered_model_alias(name, CHAMPION, made.version)

    return make


@pytest.fixture
def started(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The jobs that commands start, which are not run."""
    jobs: list[str] = []
    monkeypatch.setattr(runs, "run_job", jobs.append)
    monkeypatch.setattr(runs, "show_predictions", lambda **_: None)
    return jobs


def build(*words: str) -> None:
    done = CliRunner().invoke(runs.build, words)
    assert done.exit_code == 0, done.output


def test_a_build_trains_the_first_model_and_then_none_as_long_as_every_champion_can_be_read(
    register: Register, started: list[str]
) -> None:
    build()
    register("results")
    build()
    register("market")
    build()
    assert started == ["build", "day", "day"]


@pytest.mark.parametrize("information_set", ["history", "market"])
def test_after_an_update_that_cannot_read_the_champion_of_any_set_a_build_trains_it_anew(
    register: Register, started: list[str], information_set: str
) -> None:
    for name in ("results", "history", "market"):
        register(name)
    build()
    register(information_set, **OTHER)
    build()
    build("--no-train")
    assert started == ["day", "anew", "day"]


def test_where_only_the_first_set_has_a_champion_a_build_trains_that_alone(register: Register, started: list[str]) -> None:
    register("results", **OTHER)
    build()
    build("--train")
    assert started == ["build", "build"]


def test_whom_no_champion_shall_oppose_is_said_to_the_training_in_words_that_it_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[tuple[Any, ...]] = []
    monkeypatch.setattr(runs, "run_job", lambda *each: said.append(each))
    for words in ([], ["--unopposed", "history", "--unopposed", "market"]):
        assert CliRunner().invoke(runs.train, words).exit_code == 0
    assert CliRunner().invoke(runs.train, ["--unopposed", "weather"]).exit_code == 2
    week, (_, config) = said
    assert week == ("week", None)
    resources = dict.fromkeys(("settings", "warehouse", "registry", "turn"))
    job = dg.Definitions(assets=[training], jobs=[dg.define_asset_job("week")], resources=resources).resolve_job_def("week")
    found = dg.validate_run_config(job, config)
    assert found["ops"]["training"]["config"]["unopposed"] == ["history", "market"]


def test_a_promotion_that_was_decided_and_not_carried_out_is_no_reason_to_train(settings: Settings, started: list[str]) -> None:
    decided = {
        "model_name": settings.model_name("results"), "model_version": 1, "decided_at": datetime(2026, 1, 1, tzinfo=UTC),
        "decision": "promoted", "reasons": [["It is the first."]], "figures": [{}],
    }  # fmt: skip
    Warehouse(settings.model_url).append("forecast.model_evidence", pd.DataFrame(decided))
    build()
    assert started == ["day"]


def champion_of(settings: Settings) -> int:
    champion = Registry(settings.mlflow_tracking_uri).champion(settings.model_name("market"))
    assert champion is not None
    return champion.version


def test_a_rollback_goes_to_a_version_that_can_be_read(settings: Settings, register: Register) -> None:
    register("market")
    register("market")
    done = CliRunner().invoke(models, ["rollback", "market"])
    assert (done.exit_code, champion_of(settings)) == (0, 1), done.output


def test_a_rollback_to_a_version_that_cannot_be_read_is_refused_and_names_the_code_that_could(
    settings: Settings, register: Register
) -> None:
    register("market", **OTHER)
    register("market")
    done = CliRunner().invoke(models, ["rollback", "market"])
    assert (done.exit_code, champion_of(settings)) == (1, 2)
    assert done.output == (
        f"Error: {settings.model_name('market')} version 1, the champion before, cannot be read by this code, and nothing could be "
        f"served: it was made by revision {REVISION} (`git checkout {REVISION}`, then `make install`). The champion is what it was.\n"
    )


def issued_by(settings: Settings, version: int) -> Issued:
    row = pd.DataFrame({"model_name": [settings.model_name("market")], "model_version": [version]})
    return Issued(row, None, None, None, None, None)  # type: ignore[arg-type]


def test_a_prediction_by_a_model_that_cannot_be_read_is_refused_before_anything_is_loaded_and_names_the_revision(
    settings: Settings, register: Register
) -> None:
    register("market", **OTHER)
    register("market")
    with pytest.raises(NotReproducible, match=rf"cannot be read by this code.*`git checkout {REVISION}`.*lock file and code"):
        _model(settings, issued_by(settings, 1))
    assert _model(settings, issued_by(settings, 2)).version == 2
    with pytest.raises(NotReproducible, match="no version 3"):
        _model(settings, issued_by(settings, 3))


@pytest.mark.parametrize(
    ("revision", "said"),
    [
        ("abc", "by revision abc (`git checkout abc`, then `make install`)"),
        ("abc+", "by files that differed from revision abc (`git checkout abc` has what they began as)"),
        ("unknown", "by code of which no revision is known"),
    ],
)
def test_of_the_code_that_made_a_version_no_more_is_said_than_is_known(revision: str, said: str) -> None:
    assert made_by(ModelVersion("m", 1, {"git_revision": revision})) == said
