"""Commands whose registry of models does not answer."""

import runpy
import sys
from pathlib import Path

import pytest

from pipelines.store import registry


def test_a_registry_that_does_not_answer_is_told_in_a_sentence_with_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(registry, "ANSWER_WITHIN", 0.0)
    monkeypatch.setenv("MODEL_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/none")
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    monkeypatch.setenv("STATE_DIR", str(tmp_path))
    monkeypatch.setattr(sys, "argv", ["pipelines", "models", "list"])
    with pytest.raises(
        SystemExit, match=r"^Error: the model registry at http://127\.0\.0\.1:1 does not answer: .*`football status`"
    ):
        runpy.run_module("pipelines", run_name="__main__")
