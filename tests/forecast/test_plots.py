"""Pictures: real PNG files, small enough for the event log, the same each time."""

import struct

import numpy as np
import pandas as pd
import pytest

from pipelines.forecast.plots import LEAST, distance_by_league, distance_to_market, reliability_diagram


@pytest.fixture(scope="module")
def forecasts() -> pd.DataFrame:
    random = np.random.default_rng(0)
    p = random.dirichlet([5, 3, 4], 3000)
    frame = pd.DataFrame(p, columns=["p_home", "p_draw", "p_away"], index=pd.RangeIndex(3000, name="match_id"))
    frame["outcome"] = (random.random((3000, 1)) > p.cumsum(axis=1)[:, :2]).sum(axis=1)
    frame["season"], frame["competition_id"] = 2019 + np.arange(3000) // 600, np.where(np.arange(3000) % 7, "E0", "D1")
    frame["kickoff_at"] = pd.Timestamp("2019-08-01T15:00Z") + pd.to_timedelta(np.arange(3000) // 5, unit="D")
    frame[["market_p_home", "market_p_draw", "market_p_away"]] = p
    return frame


@pytest.mark.parametrize("draw", [reliability_diagram, distance_to_market, distance_by_league])
def test_a_picture_is_a_small_png_and_the_same_each_time(forecasts, draw):
    png = draw(forecasts)
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    width, height = struct.unpack(">II", png[16:24])
    assert 400 < width < 1000
    assert 200 < height < 600
    assert len(png) <= 60_000
    assert png == draw(forecasts)


def test_without_odds_the_picture_says_so_instead_of_failing(forecasts):
    for draw in (distance_to_market, distance_by_league):
        png = draw(forecasts.assign(market_p_home=np.nan))
        assert png[:4] == b"\x89PNG"
        assert png != draw(forecasts)


def test_a_league_of_too_few_matches_is_not_drawn_because_its_interval_would_hide_the_others(forecasts):
    few = forecasts.assign(competition_id=np.where(np.arange(3000) < LEAST - 1, "XX", forecasts["competition_id"]))
    without = few[few["competition_id"] != "XX"]
    assert distance_by_league(few) == distance_by_league(without)
    enough = forecasts.assign(competition_id=np.where(np.arange(3000) < LEAST, "XX", forecasts["competition_id"]))
    assert distance_by_league(enough) != distance_by_league(enough[enough["competition_id"] != "XX"])


def test_a_handful_of_matches_can_be_drawn(forecasts):
    assert reliability_diagram(forecasts.iloc[:4])[:4] == b"\x89PNG"
    assert distance_to_market(forecasts.iloc[:4])[:4] == b"\x89PNG"
    assert distance_by_league(forecasts.iloc[:4])[:4] == b"\x89PNG"
