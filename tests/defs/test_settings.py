"""The pipelines' environment: defaults, and what is said of values that make no sense."""

from datetime import UTC, datetime

import pytest

from pipelines.settings import Settings, SettingsError


def test_defaults_are_the_live_edition_on_the_public_site() -> None:
    settings = Settings.read({})
    assert (settings.edition, settings.is_simulated, settings.data_cutoff) == ("live", False, None)
    assert settings.football_data_url == "https://www.football-data.co.uk"
    assert settings.sources == ("football_data", "inbox")
    assert settings.landing == str(settings.state_dir / "landing")


def test_simulated_data_come_from_the_simulator_alone() -> None:
    settings = Settings.read({"IS_SIMULATED": "1"})
    assert (settings.sources, settings.competitions, settings.seasons) == (("simulated",), "all", "all")


def test_a_rehearsal_lives_at_its_cutoff() -> None:
    settings = Settings.read({"DATA_CUTOFF": "2023-05-01T12:00Z"})
    assert settings.now() == datetime(2023, 5, 1, 12, tzinfo=UTC)
    assert abs((Settings.read({}).now() - datetime.now(UTC)).total_seconds()) < 5


def test_a_cutoff_that_is_no_instant_is_refused_with_an_example() -> None:
    with pytest.raises(SettingsError, match=r"DATA_CUTOFF='yesterday'.*2023-05-01T12:00Z"):
        Settings.read({"DATA_CUTOFF": "yesterday"})


def test_dbt_gets_the_transform_roles_address_taken_apart() -> None:
    settings = Settings.read({"TRANSFORM_DATABASE_URL": "postgresql://football_transform:p%40ss@127.0.0.1:5433/football_live"})
    assert settings.dbt_environment() == {
        "DBT_HOST": "127.0.0.1",
        "DBT_PORT": "5433",
        "DBT_USER": "football_transform",
        "DBT_PASSWORD": "p@ss",
        "DBT_NAME": "football_live",
    }
