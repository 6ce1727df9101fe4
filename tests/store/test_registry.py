"""The model registry against a real MLflow server."""

from pathlib import Path
from uuid import uuid4

import boto3
import numpy as np
import pandas as pd
import pytest

from pipelines.forecast.contract import FEATURES, LABELS, PROBABILITIES
from pipelines.forecast.models import MODELS
from pipelines.store.registry import ModelVersion, Registry
from tests.conftest import running_mlflow


@pytest.fixture(scope="module")
def features() -> pd.DataFrame:
    rng = np.random.default_rng(7)
    frame = pd.DataFrame(rng.normal(size=(400, len(FEATURES["results"]))), columns=list(FEATURES["results"]))
    return frame.assign(n_played_home=20.0, n_played_away=20.0)


@pytest.fixture(scope="module")
def folder(features: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    rng = np.random.default_rng(8)
    labels = pd.DataFrame(1.0, index=features.index, columns=list(LABELS["results"])).assign(season=2020.0)
    labels[["home_goals", "away_goals"]] = rng.poisson(1.4, size=(400, 2))
    model = MODELS["results-logit"].make().fit(features, labels, {})
    model.to_files(tmp_path_factory.mktemp("model"))
    target: Path = tmp_path_factory.mktemp("model")
    model.to_files(target)
    return target


def _log(registry: Registry, name: str, folder: Path, features: pd.DataFrame, tmp_path: Path) -> ModelVersion:
    evidence = tmp_path / "evidence"
    evidence.mkdir(exist_ok=True)
    (evidence / "scores.csv").write_text("n\n1\n")
    return registry.log_challenger(
        name=name,
        folder=folder,
        features=features.head(3),
        probabilities=pd.DataFrame(
            MODELS["results-logit"].read(folder).predict_proba(features.head(3)), columns=list(PROBABILITIES)
        ),
        params={"recipe": "results-logit"},
        metrics={"log_loss": 1.01},
        tags={"recipe": "results-logit", "data_sha256": "d", "features_sha256": "f", "git_revision": "g"},
        evidence=evidence,
    )


def test_aliases_move_with_promotion_and_back_with_rollback(
    mlflow_server: str, folder: Path, features: pd.DataFrame, tmp_path: Path
) -> None:
    registry, name = Registry(mlflow_server), f"model-{uuid4().hex}"
    assert registry.champion(name) is None
    with pytest.raises(LookupError, match="no champion"):
        registry.before_champion(name)

    first = _log(registry, name, folder, features, tmp_path)
    assert registry.champion(name) is None, "a challenger is not served before it is promoted"
    registry.promote(name, first.version, "2026-01-01T00:00:00+00:00")
    with pytest.raises(LookupError, match="was champion before"):
        registry.before_champion(name)

    second = _log(registry, name, folder, features, tmp_path)
    registry.promote(name, second.version, "2026-01-08T00:00:00+00:00")
    champion = registry.champion(name)
    assert champion is not None
    assert (champion.version, champion.tags["recipe"], champion.tags["data_sha256"]) == (2, "results-logit", "d")

    earlier = registry.before_champion(name)
    assert earlier.version == 1
    registry.restore(earlier)
    champion = registry.champion(name)
    assert champion is not None
    assert champion.version == 1
    assert [version.version for version in registry.versions(name)] == [2, 1]


def test_fetched_files_are_the_registered_ones_and_mlflow_itself_predicts_the_same(
    mlflow_server: str, folder: Path, features: pd.DataFrame, tmp_path: Path
) -> None:
    import mlflow

    registry, name = Registry(mlflow_server), f"model-{uuid4().hex}"
    version = _log(registry, name, folder, features, tmp_path)
    fetched = registry.fetch(version, tmp_path / "cache")
    assert {p.name: p.read_bytes() for p in fetched.iterdir()} == {p.name: p.read_bytes() for p in folder.iterdir()}
    assert registry.fetch(version, tmp_path / "cache") == fetched

    expected = MODELS["results-logit"].read(folder).predict_proba(features)
    served = mlflow.pyfunc.load_model(f"models:/{name}/{version.version}")
    assert served.metadata.signature is not None
    assert np.array_equal(served.predict(features)[list(PROBABILITIES)].to_numpy(), expected)


def test_a_model_that_is_kept_in_a_bucket_is_registered_promoted_found_and_predicts_the_same(
    endpoint: str, server_state: Path, folder: Path, features: pd.DataFrame, tmp_path: Path
) -> None:
    """As the server of an edition with a bucket is started: it alone knows where the files are."""
    kept = tmp_path / "mlflow-with-a-bucket"
    kept.mkdir()
    with running_mlflow(kept, server_state, "s3://football/demo/artifacts", MLFLOW_S3_ENDPOINT_URL=endpoint) as url:
        registry, name = Registry(url), f"model-{uuid4().hex}"
        registry.promote(name, _log(registry, name, folder, features, tmp_path).version, "2026-01-01T00:00:00+00:00")
        champion = registry.champion(name)
        assert champion is not None
        fetched = registry.fetch(champion, tmp_path / "cache")
        assert registry.evidence(champion, "scores.csv") == b"n\n1\n"
    assert {p.name: p.read_bytes() for p in fetched.iterdir()} == {p.name: p.read_bytes() for p in folder.iterdir()}
    expected, found = (MODELS["results-logit"].read(each).predict_proba(features) for each in (folder, fetched))
    assert np.array_equal(found, expected)
    listed = boto3.client("s3", endpoint_url=endpoint).list_objects_v2(Bucket="football", Prefix="demo/artifacts/")["Contents"]
    assert {path.name for path in folder.iterdir()} <= {Path(each["Key"]).name for each in listed}, "in the bucket"
    assert not [*kept.rglob("*.json")], "and nowhere else"


def test_a_version_s_evidence_is_found_byte_for_byte_however_the_version_was_found(
    mlflow_server: str, folder: Path, features: pd.DataFrame, tmp_path: Path
) -> None:
    registry, name = Registry(mlflow_server), f"model-{uuid4().hex}"
    logged = _log(registry, name, folder, features, tmp_path)
    registry.promote(name, logged.version, "2026-01-01T00:00:00+00:00")
    champion = registry.champion(name)
    (listed,) = registry.versions(name)
    assert champion is not None
    for version in (champion, listed):
        assert registry.evidence(version, "scores.csv") == b"n\n1\n"
        assert registry.evidence(version, "forecasts.csv.gz") is None, "versions from before it was kept have none"
    assert registry.evidence(ModelVersion(name, 1, {}, uuid4().hex), "scores.csv") is None, "its run was deleted for good"
