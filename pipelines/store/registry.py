"""The model registry: MLflow, and the only module that knows its API.

Belongs here: keeping fitted models with their figures, finding the champion, moving aliases. Does not belong here: what
a model is or whether it deserves promotion (`pipelines.forecast`). Models come and go as folders of plain files
(LightGBM text and JSON), never as pickles: unpickling runs code.
"""

import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from mlflow import MlflowClient

ANSWER_WITHIN = 60.0
"""Seconds for which a server that does not answer is waited for."""

CHAMPION = "champion"
CHALLENGER = "challenger"
_PROMOTED_AT = "promoted_at"
_EVIDENCE = "evidence"


class RegistryUnavailable(RuntimeError):
    """The tracking server does not answer."""


@dataclass(frozen=True)
class ModelVersion:
    """One registered model version."""

    name: str
    version: int
    tags: Mapping[str, str]
    run_id: str | None = None


class Registry:
    """Registered models at a tracking server.

    Args:
        tracking_uri: address of the MLflow server.
        experiment: under which name training runs are listed.
    """

    def __init__(self, tracking_uri: str, experiment: str = "football") -> None:
        self.tracking_uri = tracking_uri
        self.experiment = experiment
        self._is_answering = False

    def log_challenger(
        self,
        *,
        name: str,
        folder: Path,
        features: "pd.DataFrame",
        probabilities: "pd.DataFrame",
        params: Mapping[str, Any],
        metrics: Mapping[str, float],
        tags: Mapping[str, str],
        evidence: Path,
    ) -> ModelVersion:
        """Register the model in `folder` with its evidence and give it the alias `challenger`.

        `features` and `probabilities` are a few rows of input and output, from which the signature is inferred;
        `evidence` is a folder of plots and tables for people, and of what later versions are compared with.

        Raises:
            RegistryUnavailable: the server does not answer.
        """
        import mlflow
        import mlflow.pyfunc

        client = self._client()
        mlflow.set_experiment(self.experiment)
        with mlflow.start_run(run_name=name):
            mlflow.log_params(dict(params))
            mlflow.log_metrics(dict(metrics))
            mlflow.set_tags(dict(tags))
            mlflow.log_artifacts(str(evidence), _EVIDENCE)
            info = mlflow.pyfunc.log_model(
                name="model",
                python_model=str(Path(__file__).with_name("registered_model.py")),
                artifacts={"files": str(folder)},
                model_config={"recipe": tags["recipe"]},
                signature=mlflow.models.infer_signature(features, probabilities),
                # Named by hand: inference would start a process and guess.
                pip_requirements=["lightgbm", "numpy", "pandas"],
                registered_model_name=name,
            )
        if info.signature is None:
            # MLflow drops a signature it cannot express with only a warning (mlflow#25593).
            raise RuntimeError("MLflow did not keep the model's signature; every feature must be float64")
        version = int(info.registered_model_version)
        for key, value in tags.items():
            client.set_model_version_tag(name, str(version), key, value)
        client.set_registered_model_alias(name, CHALLENGER, str(version))
        return ModelVersion(name, version, dict(tags))

    def promote(self, name: str, version: int, at: str) -> None:
        """Make `version` the champion; `at` is the moment, kept as a tag so that a rollback finds its way."""
        client = self._client()
        client.set_model_version_tag(name, str(version), _PROMOTED_AT, at)
        client.set_registered_model_alias(name, CHAMPION, str(version))

    def before_champion(self, name: str) -> ModelVersion:
        """The version promoted before the present champion: what a rollback goes to.

        Raises:
            LookupError: there is no champion, or none before it.
        """
        champion = self.champion(name)
        if champion is None:
            raise LookupError(f"{name} has no champion")
        earlier = [
            other
            for other in self.versions(name)
            if _PROMOTED_AT in other.tags and other.tags[_PROMOTED_AT] < champion.tags.get(_PROMOTED_AT, "")
        ]
        if not earlier:
            raise LookupError(f"no version of {name} was champion before version {champion.version}")
        return max(earlier, key=lambda other: other.tags[_PROMOTED_AT])

    def restore(self, model: ModelVersion) -> None:
        """Give the alias `champion` back to a version that had it, whose moment of promotion stays what it was."""
        self._client().set_registered_model_alias(model.name, CHAMPION, str(model.version))

    def champion(self, name: str) -> ModelVersion | None:
        """The champion without its files, or None before the first promotion.

        Asked over MLflow's REST interface where the server is this machine's own: every day's run asks this, and importing
        MLflow's client takes a second. Elsewhere the client knows how to log in.
        """
        if not self.tracking_uri.startswith(("http://127.0.0.1:", "http://localhost:")):
            return self._champion_by_client(name)
        import httpx

        self._wait_until_answering()
        asked, address = {"name": name, "alias": CHAMPION}, f"{self.tracking_uri}/api/2.0/mlflow/registered-models/alias"
        try:
            answer = httpx.get(address, params=asked, timeout=30, trust_env=False)
            content = answer.json()
            if _is_missing(content.get("error_code", ""), content.get("message", "")):
                return None
            answer.raise_for_status()
        except (httpx.HTTPError, ValueError) as error:
            raise RegistryUnavailable(f"the model registry at {self.tracking_uri} does not answer: {error}") from error
        found = content["model_version"]
        return ModelVersion(
            name, int(found["version"]), {tag["key"]: tag["value"] for tag in found.get("tags", [])}, found.get("run_id")
        )

    def _champion_by_client(self, name: str) -> ModelVersion | None:
        from mlflow.exceptions import MlflowException

        try:
            found = self._client().get_model_version_by_alias(name, CHAMPION)
        except MlflowException as error:
            if _is_missing(error.error_code, error.message):
                return None
            raise RegistryUnavailable(f"the model registry at {self.tracking_uri} does not answer: {error}") from error
        return ModelVersion(name, int(found.version), dict(found.tags), found.run_id)

    def versions(self, name: str) -> Sequence[ModelVersion]:
        """All versions of a model, newest first."""
        found = self._client().search_model_versions(f"name = '{name}'")
        return sorted((ModelVersion(name, int(v.version), dict(v.tags), v.run_id) for v in found), key=lambda v: -v.version)

    def evidence(self, model: ModelVersion, name: str) -> bytes | None:
        """A file of the evidence that a version was registered with; None if it has none of that name.

        Raises:
            RegistryUnavailable: the server does not answer.
        """
        from mlflow.exceptions import MlflowException

        client, path = self._client(), f"{_EVIDENCE}/{name}"
        try:
            if model.run_id is None or path not in {kept.path for kept in client.list_artifacts(model.run_id, _EVIDENCE)}:
                return None
            with tempfile.TemporaryDirectory() as folder:
                return Path(client.download_artifacts(model.run_id, path, folder)).read_bytes()
        except MlflowException as error:
            if _is_missing(error.error_code, error.message):  # a run that somebody deleted for good
                return None
            raise RegistryUnavailable(f"the model registry at {self.tracking_uri} does not answer: {error}") from error

    def fetch(self, model: ModelVersion, cache: Path) -> Path:
        """The folder of a version's files, downloaded into `cache` unless they are there already."""
        folder = cache / model.name / str(model.version)
        if not folder.exists():
            import mlflow.artifacts

            self._client()
            partial = folder.with_name(f".{model.version}.{os.getpid()}")
            partial.mkdir(parents=True, exist_ok=True)
            path = mlflow.artifacts.download_artifacts(
                artifact_uri=f"models:/{model.name}/{model.version}", dst_path=str(partial)
            )
            (files,) = [p for p in (Path(path) / "artifacts").iterdir() if p.is_dir()]
            files.rename(folder)
        return folder

    def _wait_until_answering(self) -> None:
        """Wait for the server a bounded time: it may be starting beside us.

        Raises:
            RegistryUnavailable: it does not answer.
        """
        if self._is_answering:
            return
        import httpx

        deadline = time.monotonic() + ANSWER_WITHIN
        while True:
            try:
                httpx.get(f"{self.tracking_uri}/health", timeout=5, trust_env=False).raise_for_status()
            except httpx.HTTPError as error:
                if time.monotonic() > deadline:
                    raise RegistryUnavailable(f"the model registry at {self.tracking_uri} does not answer: {error}") from error
                time.sleep(0.25)
            else:
                self._is_answering = True
                return

    def _client(self) -> "MlflowClient":
        import mlflow

        self._wait_until_answering()
        mlflow.set_tracking_uri(self.tracking_uri)
        mlflow.set_registry_uri(self.tracking_uri)
        return mlflow.MlflowClient(self.tracking_uri, self.tracking_uri)


def _is_missing(code: str, message: str) -> bool:
    """Whether there is no such model, or none under this alias: MLflow calls the latter a parameter without a value."""
    return code == "RESOURCE_DOES_NOT_EXIST" or (code == "INVALID_PARAMETER_VALUE" and "not found" in message)
