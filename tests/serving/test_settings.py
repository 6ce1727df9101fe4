"""What the environment may say, and what the service answers to nonsense."""

from datetime import UTC, datetime
from pathlib import Path

import pytest

from serving.settings import ClientSettings, Settings, SettingsError

MINIMUM = {"API_DATABASE_URL": "postgresql://api:hidden@127.0.0.1:5432/football_live", "JWT_SECRET_FILE": "secret"}


def test_little_has_to_be_set() -> None:
    settings = Settings.read(MINIMUM)
    assert settings == Settings(MINIMUM["API_DATABASE_URL"], Path("secret"))
    assert (settings.edition, settings.host, settings.port, settings.workers) == ("live", "127.0.0.1", 8000, 1)
    assert abs((settings.now() - datetime.now(UTC)).total_seconds()) < 5


def test_everything_can_be_set() -> None:
    settings = Settings.read(
        MINIMUM
        | {"EDITION": "demo", "IS_SIMULATED": "1", "REDIS_URL": "redis://127.0.0.1", "API_HOST": "::1", "API_PORT": "8123"}
        | {"API_RATE_PER_SECOND": "7", "API_TRUSTED_PROXIES": "10.0.0.0/8, ::1", "STATE_DIR": "state"}
        | {"API_WORKERS": "2", "DOCS_URL": "http://127.0.0.1:9", "DATA_CUTOFF": "2023-05-01T14:00:00+02:00"}
    )
    assert settings == Settings(
        MINIMUM["API_DATABASE_URL"],
        Path("secret"),
        edition="demo",
        is_simulated=True,
        data_cutoff=datetime(2023, 5, 1, 12, tzinfo=UTC),
        redis_url="redis://127.0.0.1",
        host="::1",
        port=8123,
        workers=2,
        docs_url="http://127.0.0.1:9",
        rate_per_second=7,
        trusted_proxies=("10.0.0.0/8", "::1/128"),
        audit_head=Path("state/audit-head.json"),
    )
    assert settings.now() == datetime(2023, 5, 1, 12, tzinfo=UTC)


def test_an_instant_without_an_offset_is_utc() -> None:
    assert Settings.read(MINIMUM | {"DATA_CUTOFF": "2023-05-01T12:00"}).data_cutoff == datetime(2023, 5, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"API_DATABASE_URL": ""}, "API_DATABASE_URL is not set"),
        ({"JWT_SECRET_FILE": ""}, "JWT_SECRET_FILE is not set"),
        ({"API_PORT": "http"}, "API_PORT should be a whole number from 1 to 65535, not 'http'"),
        ({"API_PORT": "70000"}, "API_PORT should be"),
        ({"API_WORKERS": "0"}, "API_WORKERS should be"),
        ({"API_RATE_PER_SECOND": "0"}, "API_RATE_PER_SECOND should be a whole number from 1 to 100000, not '0'"),
        ({"API_TRUSTED_PROXIES": "10.0.0.1/8"}, "API_TRUSTED_PROXIES should be addresses or networks such as 10.0.0.0/8,::1"),
        ({"DATA_CUTOFF": "yesterday"}, "DATA_CUTOFF should be an instant such as"),
    ],
)
def test_nonsense_is_refused_with_the_variables_name(changes: dict[str, str], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Settings.read(MINIMUM | changes)


def test_passwords_in_addresses_are_not_shown() -> None:
    assert "hidden" not in repr(Settings.read(MINIMUM | {"REDIS_URL": "redis://:hidden@127.0.0.1"}))
    assert "hidden" not in repr(ClientSettings.read(MINIMUM))
