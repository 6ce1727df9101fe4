"""What is kept and published of an explanation."""

from collections import Counter

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.forecast import contract
from pipelines.forecast.additive import TERMS
from pipelines.forecast.explain import BASE, GROUPS, change, explain, explanations

contributions = st.dictionaries(
    st.sampled_from([BASE, *GROUPS]), st.tuples(*[st.floats(-5, 5, allow_subnormal=False)] * 2), min_size=1
).map(lambda found: [(name, *values) for name, values in found.items()])


def total(rows) -> np.ndarray:
    return np.array([values for _, *values in rows]).sum(axis=0)


def test_every_feature_and_every_term_has_exactly_one_group():
    grouped = Counter(name for group in GROUPS.values() for name in group.features)
    assert set(grouped.values()) == {1}
    assert set(grouped) == set(TERMS) >= {name for names in contract.FEATURES.values() for name in names}


@pytest.mark.parametrize("information_set", contract.FEATURES)
def test_groups_add_up_to_all_that_the_terms_add(information_set):
    terms = np.random.default_rng(2).normal(size=(5, 1 + len(TERMS), 2))
    unknown = [1 + k for k, name in enumerate(TERMS) if name not in contract.FEATURES[information_set]]
    terms[:, unknown] = 0.0
    for found, row in zip(explain(terms, information_set), terms, strict=True):
        np.testing.assert_allclose(total(found), row.sum(axis=0), rtol=0, atol=1e-12)
        assert found[0] == (BASE, *row[0])


def test_groups_that_an_information_set_knows_nothing_of_are_left_out():
    terms = np.zeros((1, 1 + len(TERMS), 2))
    names = {known: [name for name, *_ in explain(terms, known)[0]] for known in contract.FEATURES}
    assert names["market"] == [BASE, *GROUPS]
    assert set(names["market"]) - set(names["history"]) == {"quotes", "bookmakers", "movement"}
    assert set(names["history"]) - set(names["results"]) == {"memory"}


def test_a_feature_adds_to_its_own_group():
    terms = np.zeros((1, 1 + len(TERMS), 2))
    terms[0, 1 + TERMS.index("away_rest_days")] = [0.25, -0.5]
    assert [row for row in explain(terms, "market")[0] if row[1:] != (0.0, 0.0)] == [("rest", 0.25, -0.5)]


@given(now=contributions, before=contributions)
def test_changes_add_up_to_the_difference_of_the_forecasts(now, before):
    np.testing.assert_allclose(total(change(now, before)), total(now) - total(before), rtol=0, atol=1e-9)
    assert {name for name, *_ in change(now, before)} == {name for name, *_ in (*now, *before)}


@given(now=contributions)
def test_nothing_changed_where_nothing_did(now):
    assert change(now, now) == [(name, 0.0, 0.0) for name, *_ in now]


NOW = [[BASE, 0.4, -0.2], ["rest", 0.5, 0.0]]
BEFORE = {
    "before_prediction_id": "a",
    "before_issued_at": pd.Timestamp("2026-03-01T06:00Z"),
    "before_model_name": "m",
    "before_model_version": 1.0,
    "before_p_home": 0.5,
    "before_p_draw": 0.3,
    "before_p_away": 0.2,
    "before_contributions": [[BASE, 0.4, -0.2], ["rest", 0.25, 0.5]],
}


def row(**changes: object) -> pd.DataFrame:
    first = {"prediction_id": "b", "model_name": "m", "model_version": 1, "contributions": NOW, **dict.fromkeys(BEFORE)}
    return pd.DataFrame([first | changes], dtype=object)


def test_the_first_prediction_of_a_match_followed_none():
    assert explanations(row()) == {"b": {"contributions": NOW, "change": None}}


def test_a_later_one_says_what_changed_since_and_by_which_model():
    (told,) = explanations(row(**BEFORE)).values()
    assert told["change"] == {
        "prediction_id": "a",
        "issued_at": "2026-03-01T06:00:00+00:00",
        "p_home": 0.5,
        "p_draw": 0.3,
        "p_away": 0.2,
        "is_other_model": False,
        "contributions": [(BASE, 0.0, 0.0), ("rest", 0.25, -0.5)],
    }


@pytest.mark.parametrize("other", [{"model_version": 2}, {"model_name": "n"}])
def test_another_version_is_another_model_and_so_is_another_name(other):
    (told,) = explanations(row(**BEFORE, **other)).values()
    assert told["change"]["is_other_model"] is True


def test_where_the_one_before_was_not_explained_only_that_it_was_is_said():
    (told,) = explanations(row(**{**BEFORE, "before_contributions": None})).values()
    assert told["change"]["contributions"] is None
    assert told["change"]["p_home"] == 0.5


def test_a_prediction_that_was_issued_before_there_were_explanations_has_none():
    assert explanations(row(contributions=None)) == {}
