"""A recipe's digest: another for every setting that decides what is said, the same for whatever does not."""

import ast
import json
import re
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from pipelines.forecast import contract, dixon_coles, identity, innovations, learners, memory, statespace
from pipelines.forecast.identity import DECLARED, as_json, differing, digest, settings
from pipelines.forecast.learners import Growth
from pipelines.forecast.models import MODELS, Market, Results, market, members, results
from pipelines.forecast.ratings import elo

FORECAST = Path(identity.__file__).parent
PROJECT = FORECAST.parents[1]
NOTED = Path(__file__).with_name("formulas.json")
SETS = ("results", "history", "market")

NOTHING_DECIDED = {
    "pipelines.forecast.additive": "takes a finished forecast apart",
    "pipelines.forecast.contract": "its columns are in the digest by the set that they belong to",
    "pipelines.forecast.grid": "what expected goals mean for scores: no forecast of outcomes or goals takes anything from it",
    "pipelines.forecast.metrics": "judges",
    "pipelines.forecast.models.files": "how a fitted model is kept",
    "pipelines.forecast.places": "the rules of competitions: facts, of which there are more each year",
    "pipelines.forecast.replay": "the order of events in time",
    "pipelines.forecast.splits": "which matches are learnt from, by time",
}


def changed(before: dict[str, str]) -> set[str]:
    return {name for name in MODELS if digest(MODELS[name]) != before[name]}


@pytest.fixture
def before() -> dict[str, str]:
    return {name: digest(recipe) for name, recipe in MODELS.items()}


def test_every_recipe_has_a_digest_of_its_own_and_always_the_same() -> None:
    digests = [digest(recipe) for recipe in MODELS.values()]
    assert len(set(digests)) == len(MODELS)
    assert digests == [digest(recipe) for recipe in MODELS.values()]


GROWTH, SEEDS = Growth(401, 0.04, 31, 200, 0.7, 0.25, 20.0), market.OUTCOME_GROWTHS


@pytest.mark.parametrize(
    ("where", "name", "value", "concerned"),
    [
        (market, "MOVE_GROWTH", replace(market.MOVE_GROWTH, n_trees=201), {"market"}),
        (market, "OUTCOME_GROWTHS", SEEDS[:3], {"market"}),  # one draw less
        (market, "_OUTCOME_COLUMNS", market._OUTCOME_COLUMNS[1:], {"market"}),
        (members, "MEMBERS", (replace(members.SETTLED, side_growth=GROWTH), members.RESTLESS), {"history", "market"}),
        (members, "MEMBERS", members.MEMBERS[:1], {"history", "market"}),
        (results, "PERFORMANCE_GROWTH", replace(results.PERFORMANCE_GROWTH, seed=2), {"results", "results-logit"}),
        (memory, "SIDE_FAST", memory.SIDE_FAST._replace(form_days=26.0), {"history", "market"}),
        (memory, "PLAY", memory.PLAY._replace(noise=2.68), set(MODELS)),
        (innovations, "PAIR", 0.71, {"history", "market"}),
        (elo, "K", 17.0, set(MODELS)),
        (dixon_coles, "DECAY", 0.0028, set(MODELS)),
        (statespace, "FORGOTTEN", 3, set(MODELS)),
        (learners, "MAX_BIN", 255, set(MODELS)),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_setting_of_a_stage_a_member_a_memory_or_a_rating_makes_it_another_recipe_where_it_is_fed(
    before: dict[str, str], monkeypatch: pytest.MonkeyPatch, where: Any, name: str, value: Any, concerned: set[str]
) -> None:
    monkeypatch.setattr(where, name, value)
    assert changed(before) == concerned


def test_a_feature_more_or_two_in_another_order_make_it_another_recipe_of_that_set(
    before: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    columns = contract.FEATURES["history"]
    for other in ((*columns, "weather"), (columns[1], columns[0], *columns[2:])):
        monkeypatch.setitem(contract.FEATURES, "history", other)
        assert changed(before) == {"history"}


def test_a_formula_that_was_changed_is_told_by_its_number(before: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(identity.FORMULAS, "market", identity.FORMULAS["market"] + 1)
    assert changed(before) == {"market"}


def code_of(path: Path) -> str:
    """A digest of what a file does: another for another formula, the same for other words about it, or another layout."""
    text = path.read_text("utf-8")
    if path.suffix == ".sql":
        bare = re.sub(r"\{#.*?#\}|--[^\n]*", " ", text, flags=re.DOTALL)
        return sha256(" ".join(bare.split()).encode()).hexdigest()[:16]
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if hasattr(node, "body") and isinstance(node.body, list):
            node.body = [each for each in node.body if not (isinstance(each, ast.Expr) and isinstance(each.value, ast.Constant))]
    return sha256(ast.unparse(tree).encode()).hexdigest()[:16]


def formulas() -> list[Path]:
    """The files whose formulas decide what recipes say."""
    modules = {Path(str(module.__file__)) for each in DECLARED.values() for module in each} | {FORECAST / "replay.py"}
    models = PROJECT / "dbt_project" / "models"
    return sorted([*modules, *(models / "silver" / "intermediate").glob("*.sql"), *(models / "gold" / "features").glob("*.sql")])


def test_code_that_decides_forecasts_is_not_changed_without_saying_whether_its_formulas_are() -> None:
    """A formula changed without its number would pass the gate as a routine refit."""
    noted = json.loads(NOTED.read_text("utf-8"))
    found = {path.relative_to(PROJECT).as_posix(): code_of(path) for path in formulas()}
    differ = sorted(name for name in {*found, *noted["code"]} if found.get(name) != noted["code"].get(name))
    now = {"formulas": identity.FORMULAS, "code": found}
    assert now == noted, (
        f"{', '.join(differ)} changed. If what is forecast changes by it and no declared setting tells so, raise FORMULAS of "
        f"pipelines/forecast/identity.py for the sets concerned. Then note it in {NOTED.name}:\n{json.dumps(now, indent=1)}"
    )


def test_words_and_layout_are_no_formula(tmp_path: Path) -> None:
    one, other, third = (tmp_path / f"{name}.py" for name in ("one", "other", "third"))
    one.write_text('"""Adds."""\n\ndef f(x):\n    """One more."""\n    return x + 1  # one\n')
    other.write_text('"""Another word."""\n\n\ndef f(x):\n    return (x\n        + 1)\n')
    third.write_text("def f(x):\n    return x + 2\n")
    assert code_of(one) == code_of(other) != code_of(third)
    sql, same, differs = (tmp_path / f"{name}.sql" for name in ("sql", "same", "differs"))
    sql.write_text("{# why #}\nselect a + 1 -- one\nfrom t\n")
    same.write_text("select a + 1\n    from t")
    differs.write_text("select a + 2 from t")
    assert code_of(sql) == code_of(same) != code_of(differs)


@pytest.mark.parametrize(
    ("name", "make"),
    [
        ("market", lambda: Market(history_share=0.2)),
        ("market", lambda: Market(since=2013)),
        ("results-logit", lambda: Results(use_trees=False, n_seasons=11)),
    ],
)
def test_a_parameter_of_the_model_makes_it_another_recipe(name: str, make: Callable[[], Any]) -> None:
    assert digest(replace(MODELS[name], make=make)) != digest(MODELS[name])


def test_how_many_seasons_are_handed_over_and_how_many_the_model_takes_are_two_settings() -> None:
    assert (
        settings(MODELS["results-logit"])["recipe"] | {"n_seasons": 13}
        == settings(replace(MODELS["results-logit"], n_seasons=13))["recipe"]
    )


def test_what_changes_no_forecast_makes_no_other_recipe(before: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(statespace, "N_THREADS", 8)
    monkeypatch.setattr("lightgbm.__version__", "99")
    assert changed(before) == set()
    assert digest(replace(MODELS["market"], description="In other words.")) == before["market"]


def test_a_setting_that_has_no_text_is_an_error_and_not_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "PLAY_BARE", object())
    with pytest.raises(TypeError):
        digest(MODELS["results"])


def test_a_person_is_told_which_settings_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    was = json.loads(as_json(settings(MODELS["market"])))
    assert differing(was, settings(MODELS["market"])) == []
    monkeypatch.setattr(market, "OUTCOME_GROWTHS", SEEDS[:3])
    monkeypatch.setattr(memory, "TOTAL", memory.TOTAL._replace(noise=0.02))
    del was["ratings.elo"]["K"]
    assert differing(was, settings(MODELS["market"])) == ["memory.TOTAL", "models.market.OUTCOME_GROWTHS", "ratings.elo.K"]


def test_every_module_that_features_and_models_rest_on_is_in_the_digest_or_said_to_decide_nothing() -> None:
    """Found by what they import: a memory in a module of its own cannot be forgotten. `market` is fed by all there is."""

    def path(name: str) -> Path | None:
        base = FORECAST.joinpath(*name.split(".")[2:])
        return next((path for path in (base.with_suffix(".py"), base / "__init__.py") if path.exists()), None)

    def imports(name: str) -> set[str]:
        named: set[str] = set()
        for node in ast.walk(ast.parse(path(name).read_text("utf-8"))):  # type: ignore[union-attr]
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("pipelines.forecast"):
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                named |= {each for each in inner if path(each)} or {str(node.module)}
        return named

    reached: set[str] = set()
    ahead = {f"pipelines.forecast.{name}" for name in (*(f"models.{name}" for name in SETS), "features", "dixon_coles")}
    while ahead:
        name = ahead.pop()
        reached.add(name)
        ahead |= imports(name) - reached
    declared = {name: {module.__name__ for module in modules} for name, modules in DECLARED.items()}
    assert reached == declared["results"] | declared["market"] | set(NOTHING_DECIDED)
    assert declared["history"] < declared["market"]
