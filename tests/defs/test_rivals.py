"""Whom a challenger is compared with: a refit, a changed recipe, and those of a champion that cannot be read."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from pipelines.defs.champions import RECIPE_DIGEST, legible
from pipelines.defs.rivals import FORECASTS, N_LEAST, SETTINGS, Champion, Known, keep, rival, unopposed
from pipelines.forecast.contract import PROBABILITIES
from pipelines.forecast.identity import digest
from pipelines.forecast.models import MODELS, Recipe, results
from pipelines.forecast.promotion import Kind, Rival
from pipelines.store.registry import ModelVersion

START = datetime(2024, 1, 1, tzinfo=UTC)
RESULTS, QUICK = MODELS["results"], MODELS["results-logit"]


class Served:
    """Says of every match what its only feature says."""

    def predict_proba(self, features: pd.DataFrame) -> Any:
        home = features["x"].to_numpy()
        return np.column_stack([home, np.full(len(home), 0.2), 0.8 - home])


@pytest.fixture
def challenger() -> pd.DataFrame:
    n = 2 * N_LEAST
    frame = pd.DataFrame(
        {"as_of": [START + timedelta(hours=k) for k in range(n)], "outcome": 0}, index=[f"m{k}" for k in range(n)]
    )
    frame["as_of"] = pd.to_datetime(frame["as_of"], utc=True)
    frame[list(PROBABILITIES)] = [0.4, 0.3, 0.3]
    return frame


@pytest.fixture
def features(challenger: pd.DataFrame) -> pd.DataFrame:
    # In another order: rows are found by their match.
    return pd.DataFrame({"x": np.linspace(0.1, 0.7, len(challenger))}, index=challenger.index).iloc[::-1]


def champion(of: Recipe = RESULTS, n_learnt: int = N_LEAST, **tags: str | None) -> Champion:
    """The third version, made by this code, that has learnt from the first matches; a tag of None it lacks."""
    told = {
        "recipe": of.name,
        RECIPE_DIGEST: digest(of),
        "learnt_until": (START + timedelta(hours=n_learnt)).isoformat(),
        **legible(of.information_set),
        **tags,
    }
    found = Champion.of(ModelVersion("results-live", 3, {name: value for name, value in told.items() if value is not None}, "r"))
    assert found is not None
    return found


Meet = Callable[..., Rival]


@pytest.fixture
def meet(challenger: pd.DataFrame, features: pd.DataFrame) -> Meet:
    """`rival` of a champion for the recipe `results`, with the evidence that is given; to walk forward is to say a half."""

    def met(champion: Champion | None, evidence: Mapping[str, bytes] | None = None, recipe: Recipe = RESULTS) -> Rival:
        def walk_forward(other: Recipe) -> pd.DataFrame:
            assert other is not recipe, "compared with itself"
            return challenger.assign(p_home=0.5, p_draw=0.25, p_away=0.25)

        def read(version: ModelVersion) -> Any:
            assert version.version == 3
            return Served()

        return rival(
            champion, recipe, Known(challenger, features, walk_forward, read, lambda _, name: (evidence or {}).get(name))
        )

    return met


@pytest.fixture
def kept(challenger: pd.DataFrame, tmp_path: Path) -> dict[str, bytes]:
    """Evidence of a version whose forecasts were thirds, to the last bit, of all but the first matches and of some others."""
    own = challenger.iloc[100:].rename(index={"m599": "another match"})
    own[list(PROBABILITIES)] = [0.1 + 0.2, 1 / 3, 1 - (0.1 + 0.2) - 1 / 3]
    keep(tmp_path, own.iloc[::-1], RESULTS)
    return {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_without_champion_there_is_nobody_to_compare_with(meet: Meet) -> None:
    assert meet(None) == Rival(Kind.FIRST)


KEPT = "the walk-forward forecasts that were kept with version 3"


def test_a_refit_meets_the_served_model_on_matches_forecast_after_it_had_learnt_and_what_was_kept_of_the_others(
    meet: Meet, challenger: pd.DataFrame, features: pd.DataFrame, kept: dict[str, bytes]
) -> None:
    found = meet(champion(n_learnt=590), kept)
    assert (found.kind, found.told_by) == (Kind.REFIT, f"{KEPT}, and what it says of 10 matches that it has not learnt from")
    assert found.forecasts is not None
    assert list(found.forecasts.index) == [f"m{k}" for k in range(100, 600)]
    unseen = [f"m{k}" for k in range(590, 600)]
    assert found.forecasts.loc[unseen, "p_home"].tolist() == features.loc[unseen, "x"].tolist()
    assert found.forecasts.drop(unseen)["p_home"].tolist() == [0.1 + 0.2] * 490
    assert challenger["p_home"].unique().tolist() == [0.4], "the challenger's own forecasts stay"


def test_where_nothing_was_kept_a_refit_meets_what_the_served_model_has_not_learnt_from(meet: Meet) -> None:
    found = meet(champion(n_learnt=590))
    assert (found.kind, found.told_by) == (Kind.REFIT, "what it says of 10 matches that it has not learnt from")
    assert found.forecasts is not None
    assert len(found.forecasts) == 10


def test_a_refit_for_which_there_is_nothing_says_so(meet: Meet) -> None:
    for silent in (champion(n_learnt=600), champion(learnt_until=None)):
        found = meet(silent)
        assert (found.kind, found.forecasts) == (Kind.REFIT, None)
        assert found.told_by == "of version 3 there are forecasts of 0 of these 600 matches"


def test_whatever_its_settings_are_called_now_a_recipe_that_says_what_was_kept_to_the_last_bit_is_the_same(
    meet: Meet, challenger: pd.DataFrame, tmp_path: Path
) -> None:
    """As the quick model, where only the trees of its set were changed: else it would be refitted no more."""
    keep(tmp_path, challenger, RESULTS)
    said = {FORECASTS: (tmp_path / FORECASTS).read_bytes()}
    assert meet(champion(n_learnt=600, **{RECIPE_DIGEST: "another"}), said).kind is Kind.REFIT
    differs = challenger.copy()
    differs.loc["m7", "p_home"] = np.nextafter(0.4, 1.0)
    keep(tmp_path, differs, RESULTS)
    said = {FORECASTS: (tmp_path / FORECASTS).read_bytes()}
    assert meet(champion(n_learnt=600, **{RECIPE_DIGEST: "another"}), said).kind is Kind.CHANGED
    keep(tmp_path, challenger.head(N_LEAST - 1), RESULTS)
    said = {FORECASTS: (tmp_path / FORECASTS).read_bytes()}
    assert meet(champion(n_learnt=600, **{RECIPE_DIGEST: "another"}), said).kind is Kind.CHANGED, "of so few it may be chance"


def test_the_same_name_with_another_setting_is_a_changed_recipe_and_meets_what_the_champion_was_judged_by(
    meet: Meet, kept: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    was = champion(n_learnt=600)
    growth = results.PERFORMANCE_GROWTH
    monkeypatch.setattr(results, "PERFORMANCE_GROWTH", replace(growth, n_trees=growth.n_trees + 1))
    found = meet(was, kept)
    assert (found.kind, found.told_by) == (Kind.CHANGED, KEPT)
    assert found.differs == "The recipe has other settings than that of version 3: models.results.PERFORMANCE_GROWTH."
    assert found.forecasts is not None
    assert list(found.forecasts.index) == [f"m{k}" for k in range(100, 599)], (
        "the matches that both have, in the challenger's order"
    )
    assert found.forecasts["p_home"].tolist() == [0.1 + 0.2] * 499, "to the last bit"
    assert found.forecasts["as_of"].notna().all(), "with what the challenger's frame says of the matches"


def test_of_many_changed_settings_a_sentence_names_some(
    meet: Meet, kept: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    was = champion()
    for name in (
        "RATING_COLUMNS",
        "SHOT_COLUMNS",
        "CONTEXT_COLUMNS",
        "PLAY_COLUMNS",
        "PERFORMANCE_GROWTH",
        "PLAY_OUTCOME_GROWTH",
    ):
        monkeypatch.setattr(results, name, ())
    assert meet(was, kept).differs.endswith("models.results.RATING_COLUMNS and 1 more.")


def test_a_version_from_before_the_digest_is_taken_for_its_name_s_recipe_and_refitted_as_before(
    meet: Meet, features: pd.DataFrame
) -> None:
    found = meet(champion(**{RECIPE_DIGEST: None}))
    assert found.kind is Kind.REFIT
    assert found.told_by == "what it says of 300 matches that it has not learnt from"
    assert found.forecasts is not None
    assert found.forecasts["p_home"].tolist() == features.loc[found.forecasts.index, "x"].tolist()


def test_what_is_changed_must_meet_the_champion_on_most_of_the_matches_that_it_is_judged_on(
    meet: Meet, challenger: pd.DataFrame, tmp_path: Path
) -> None:
    was = champion(**{RECIPE_DIGEST: "another"})
    keep(tmp_path, challenger.iloc[:479].assign(p_home=0.5, p_draw=0.25, p_away=0.25), RESULTS)
    few = meet(was, {FORECASTS: (tmp_path / FORECASTS).read_bytes()})
    assert (few.kind, few.forecasts) == (Kind.CHANGED, None)
    assert few.told_by == "with version 3 forecasts were kept of 479 of these 600 matches, of 480 that it takes"
    keep(tmp_path, challenger.iloc[:480].assign(p_home=0.5, p_draw=0.25, p_away=0.25), RESULTS)
    enough = meet(was, {FORECASTS: (tmp_path / FORECASTS).read_bytes()})
    assert enough.forecasts is not None
    assert (len(enough.forecasts), enough.told_by) == (480, KEPT)


def test_what_is_changed_never_meets_the_served_model_which_knows_the_first_part_of_the_season(
    meet: Meet, kept: dict[str, bytes]
) -> None:
    """The challenger's stand-in stopped learning before the season: a better recipe would seem the worse one."""
    found = meet(champion(n_learnt=120, **{RECIPE_DIGEST: "another"}), kept)
    assert found.told_by == KEPT
    assert found.forecasts is not None
    assert found.forecasts["p_home"].unique().tolist() == [0.1 + 0.2]
    nothing = meet(champion(n_learnt=0, **{RECIPE_DIGEST: "another"}))
    assert (nothing.kind, nothing.forecasts) == (Kind.CHANGED, None)
    assert nothing.told_by == "with version 3 forecasts were kept of 0 of these 600 matches, of 480 that it takes"


def test_another_recipe_than_the_champion_s_meets_that_by_the_present_code_as_long_as_it_is_the_same(
    meet: Meet, kept: dict[str, bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    for tags in ({}, {RECIPE_DIGEST: None}):  # from before the digest: not known to be another
        found = meet(champion(QUICK, **tags), kept)
        assert (found.kind, found.told_by) == (Kind.CHANGED, "the recipe results-logit, walk-forward")
        assert found.forecasts is not None
        assert found.forecasts["p_home"].tolist() == [0.5] * 2 * N_LEAST
    was = champion(QUICK, n_learnt=600)
    monkeypatch.setattr(results, "RATING_COLUMNS", results.RATING_COLUMNS[1:])
    found = meet(was, kept)
    assert found.told_by == KEPT
    assert found.differs == "The recipe is results, that of version 3 is results-logit."


def test_of_a_champion_that_cannot_be_read_what_was_kept_is_met_and_the_served_model_is_not_asked(
    meet: Meet, kept: dict[str, bytes]
) -> None:
    found = meet(champion(format="1"), kept)
    assert (found.kind, found.told_by) == (Kind.REFIT, KEPT)
    assert meet(champion(format="1")).forecasts is None


@pytest.mark.parametrize("tags", [{"recipe": "one that is no more"}, {"features": "one_that_is_no_more"}], ids=str)
def test_to_take_the_place_of_a_champion_that_cannot_be_read_is_no_reason_to_be_less_than_better(
    meet: Meet, kept: dict[str, bytes], tags: dict[str, str]
) -> None:
    found = meet(champion(**tags, **{RECIPE_DIGEST: "another"}), kept)
    assert (found.kind, found.told_by) == (Kind.CHANGED, KEPT)
    assert found.forecasts is not None
    assert len(found.forecasts) == 499


def test_by_order_it_meets_no_champion_and_the_first_model_is_the_first_all_the_same(meet: Meet) -> None:
    known: Any = None  # nothing is asked
    assert unopposed(champion(), RESULTS, known) == Rival(Kind.UNOPPOSED)
    assert unopposed(None, RESULTS, known) == Rival(Kind.FIRST)


def test_what_is_kept_is_small_the_same_bytes_for_the_same_forecasts_and_read_back_to_the_last_bit(
    meet: Meet, challenger: pd.DataFrame, tmp_path: Path
) -> None:
    random = np.random.default_rng(0).dirichlet([4, 3, 3], len(challenger))
    forecasts = challenger.assign(**dict(zip(PROBABILITIES, random.T, strict=True)))
    keep(tmp_path, forecasts, RESULTS)
    first = (tmp_path / FORECASTS).read_bytes()
    keep(tmp_path, forecasts, RESULTS)
    assert (tmp_path / FORECASTS).read_bytes() == first
    assert len(first) / len(forecasts) < 40, "bytes a match"
    found = meet(champion(format="1"), {FORECASTS: first})
    assert found.forecasts is not None
    assert np.array_equal(found.forecasts[list(PROBABILITIES)].to_numpy(), random)
    assert '"PERFORMANCE_GROWTH"' in (tmp_path / SETTINGS).read_text()
