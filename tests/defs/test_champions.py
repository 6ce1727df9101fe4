"""Which registered versions this code may serve."""

import pytest

from pipelines.defs.champions import is_readable, legible
from pipelines.store.registry import ModelVersion


def version(**tags: str) -> ModelVersion:
    return ModelVersion("results-live", 1, {"recipe": "results", "git_revision": "abc", **legible("results"), **tags})


def test_a_version_by_this_code_is_readable() -> None:
    assert is_readable(version())
    assert is_readable(version(recipe="results-logit"))


@pytest.mark.parametrize(
    "tags",
    [
        {"recipe": "a recipe that is no more"},
        {"format": "1"},
        {"features_sha256": legible("history")["features_sha256"]},  # it learnt from other columns
    ],
    ids=str,
)
def test_a_version_by_other_code_is_not(tags: dict[str, str]) -> None:
    assert not is_readable(version(**tags))


def test_a_version_that_says_nothing_of_how_it_was_made_is_not_readable() -> None:
    assert not is_readable(ModelVersion("results-live", 1, {"recipe": "results"}))
