"""Which registered versions this code may serve."""

import pytest

from pipelines.defs.champions import is_readable, legible
from pipelines.store.registry import ModelVersion


def version(**tags: str) -> ModelVersion:
    return ModelVersion("results-live", 1, {"recipe": "results", "git_revision": "abc", **legible("results"), **tags})


def test_a_version_by_this_code_is_readable() -> None:
    assert is_readable(version())
    assert is_readable(version(recipe="results-logit"))


def without_its_last_feature(information_set: str) -> str:
    return legible(information_set)["features"].rpartition(" ")[0]


def test_a_version_from_before_a_feature_was_added_goes_on_being_read_because_its_parts_name_what_they_look_at() -> None:
    assert is_readable(version(features=without_its_last_feature("results"), features_sha256="of fewer"))


def test_a_version_from_before_they_were_named_is_told_by_their_digest() -> None:
    told = legible("results")
    tags = {"recipe": "results", "format": told["format"], "features_sha256": told["features_sha256"]}
    assert is_readable(ModelVersion("results-live", 1, tags))
    assert not is_readable(ModelVersion("results-live", 1, tags | {"features_sha256": legible("history")["features_sha256"]}))


@pytest.mark.parametrize(
    "tags",
    [{"recipe": "a recipe that is no more"}, {"format": "1"}, {"features": "elo_difference one_that_is_no_more"}],
    ids=str,
)
def test_a_version_by_other_code_is_not(tags: dict[str, str]) -> None:
    assert not is_readable(version(**tags))


def test_a_version_that_says_nothing_of_how_it_was_made_is_not_readable() -> None:
    assert not is_readable(ModelVersion("results-live", 1, {"recipe": "results"}))
