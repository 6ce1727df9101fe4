"""Commands that answer somebody at a terminal: as whom they ask the database."""

import click
import pytest
from click.testing import CliRunner

from deploy.database import Urls
from deploy.database_report import LIMITS_MS
from pipelines.commands.alerts import alerts_group
from pipelines.commands.fixtures import explain, predictions
from pipelines.commands.quarantine import quarantine_group


@pytest.mark.parametrize(
    ("command", "arguments", "said"),
    [
        (predictions, [], "Nothing was published yet."),
        (explain, ["Ash"], "no coming fixture fits 'Ash'"),
        (alerts_group, ["list"], "Nothing has failed, and nothing has drifted."),
        (quarantine_group, ["list"], "Nothing is set aside."),
        (quarantine_group, ["show", "1"], "there is no entry 1"),
    ],
)
def test_what_somebody_waits_for_is_asked_as_a_role_whose_statements_have_a_limit(
    database: Urls, monkeypatch: pytest.MonkeyPatch, command: click.Command, arguments: list[str], said: str
) -> None:
    monkeypatch.setenv("READER_DATABASE_URL", database.reader)
    for role in ("INGEST", "MODEL"):
        monkeypatch.setenv(f"{role}_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/nothing")
    assert said in CliRunner().invoke(command, arguments).output
    assert LIMITS_MS["football_reader"] == 500
