"""The week: every information set's model, side by side, on a real registry."""

import io
import json
from collections.abc import Callable

import mlflow
import pandas as pd
import pytest

from pipelines.defs.champions import RECIPE_DIGEST, is_readable
from pipelines.defs.rivals import FORECASTS
from pipelines.forecast.contract import PROBABILITIES
from pipelines.forecast.identity import digest
from pipelines.forecast.models import MODELS, QUICK
from pipelines.store.registry import Registry
from tests.e2e.conftest import Platform

MakePlatform = Callable[..., Platform]


@pytest.fixture(scope="module")
def trained(built: Platform, make_platform: MakePlatform) -> Platform:
    platform = make_platform("trained", like=built)
    platform.must_run("train", IS_SIMULATED="1")
    return platform


def test_after_the_week_each_set_has_a_model_and_each_match_a_forecast_by_each(trained: Platform) -> None:
    promoted = trained.query("select distinct model_name from forecast.model_evidence where decision = 'promoted' order by 1")
    assert promoted == [(f"{name}-{trained.edition}",) for name in ("history", "market", "results")]
    rows = trained.query(
        """
        select information_set, count(*), count(*) filter (where is_best_informed), count(distinct match_id)
        from published.prediction where publication_id = (select max(publication_id) from published.publication)
        group by information_set order by information_set
        """
    )
    n = int(rows[0][1])  # type: ignore[call-overload]
    assert n >= 15
    assert rows == [("history", n, 0, n), ("market", n, n, n), ("results", n, 0, n)]


def test_sets_that_know_different_things_say_different_things(trained: Platform) -> None:
    ((n_equal,),) = trained.query(
        """
        select count(*) from published.prediction as a join published.prediction as b using (publication_id, match_id)
        where a.information_set < b.information_set and a.p_home = b.p_home
        """
    )
    assert n_equal == 0


def test_the_next_week_finds_the_trees_of_closed_seasons_grown(trained: Platform) -> None:
    trees = trained.folder / "trees"
    before = {path.name: path.stat().st_mtime_ns for path in trees.iterdir()}
    assert len(before) > 20
    trained.must_run("train", IS_SIMULATED="1")
    after = {path.name: path.stat().st_mtime_ns for path in trees.iterdir()}
    assert {name: at for name, at in after.items() if name in before} == before
    # `history` and `market` have champions to compare with by now, so that one season more is judged than in their first week;
    # `results`, beside the quick model, was judged on both seasons then. The season is fitted twice, for leagues of spring and of
    # autumn, and each time are new: both stages of `History` (side, draw and outcome of its two members: 6, which `market`
    # shares), and of `Market` side, draw and the 4 draws of its second stage. What stages foresee was grown for the later season.
    assert len(after) - len(before) == 2 * (6 + 2 + 4)


def test_the_next_week_s_models_are_refits_and_each_version_says_so_and_keeps_what_it_was_judged_by(trained: Platform) -> None:
    """Runs after the week above: of the same recipes, on the same data, there is no match that the served model is new to."""
    weeks = trained.query(
        """
        select figures ->> 'kind', figures ->> 'compared_with', decision = 'promoted', (figures #>> '{difference,mean}')::float8
        from forecast.model_evidence order by model_name, evidence_id
        """
    )
    kept = "the walk-forward forecasts that were kept with version {}"
    first, refit = ("the first model", None, True, None), ("routine refit", kept.format(1), True, 0.0)
    # Of so few simulated matches the trees of `results` are not shown to be better than the quick model, which is fitted anew.
    tried = [row[:3] for row in weeks if row[0] == "changed recipe"]
    assert tried == [("changed recipe", f"the recipe {QUICK}, walk-forward", False)] * 2
    refits = [row for row in weeks if row[0] != "changed recipe"]
    assert refits == [*(first, refit), *(first, refit), first, refit, (refit[0], kept.format(3), *refit[2:])]
    registry = Registry(trained.mlflow)
    for name in ("history", "market", QUICK):
        version = registry.champion(f"{MODELS[name].information_set}-{trained.edition}")
        assert version is not None
        assert version.tags[RECIPE_DIGEST] == digest(MODELS[name])
        forecasts = pd.read_csv(io.BytesIO(registry.evidence(version, FORECASTS) or b""), compression="gzip")
        ((n_judged,),) = trained.query(
            f"""
            select (figures ->> 'n_judged')::int from forecast.model_evidence
            where model_name = '{version.name}' order by evidence_id desc limit 1
            """
        )
        assert list(forecasts) == ["match_id", *PROBABILITIES]
        assert (len(forecasts), n_judged > 1000) == (n_judged, True)
        assert forecasts[list(PROBABILITIES)].sum(axis=1).sub(1).abs().max() < 1e-12


def test_what_the_best_informed_model_said_is_made_again_to_the_last_bit(trained: Platform, make_platform: MakePlatform) -> None:
    """Trees, memories of prices and the quotes of the match itself: all of it from the files as they came."""
    ((prediction_id,),) = trained.query(
        "select prediction_id from published.prediction where information_set = 'market' order by kickoff_at desc, 1 limit 1"
    )
    done = trained.reproduce(str(prediction_id), make_platform("market"), "--json")
    assert done.stdout, done.stderr[-3000:]
    report = json.loads(done.stdout)
    assert [line for line in report["lines"] if not line["is_identical"]] == []
    assert (done.returncode, len(report["lines"])) == (0, 8)


def test_after_an_update_that_cannot_read_a_set_s_model_a_build_compares_the_new_one_with_what_was_kept_of_it(
    trained: Platform,
) -> None:
    registry, name = Registry(trained.mlflow), f"market-{trained.edition}"
    before = registry.champion(name)
    assert before is not None
    client = mlflow.MlflowClient(trained.mlflow, trained.mlflow)
    client.set_model_version_tag(name, str(before.version), "format", "1")  # as if this code wrote files of another form
    trained.must_run("build", IS_SIMULATED="1")
    ((kind, compared_with, decision, difference),) = trained.query(
        f"""
        select figures ->> 'kind', figures ->> 'compared_with', decision, (figures #>> '{{difference,mean}}')::float8
        from forecast.model_evidence where model_name = '{name}' order by evidence_id desc limit 1
        """
    )
    assert (kind, decision) == ("routine refit", "promoted")
    assert compared_with == f"the walk-forward forecasts that were kept with version {before.version}"
    assert difference == 0.0, "the same recipe on the same matches: what was kept is what it says, to the last bit"
    after = registry.champion(name)
    assert after is not None
    assert (after.version > before.version, is_readable(after)) == (True, True)
