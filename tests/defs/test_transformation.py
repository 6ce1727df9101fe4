"""dbt as Dagster runs it, on a real PostgreSQL: the whole project, a part of it, and a project that fails."""

import json
from datetime import UTC, datetime

import dagster as dg
import psycopg
import pytest

from deploy.database import Urls
from pipelines.defs.manifest import ensure_manifest
from pipelines.settings import Settings
from pipelines.sources import football_data, football_data_file, football_data_org, openfootball
from pipelines.sources.protocol import Delivery
from pipelines.store import bronze
from pipelines.store.silver import Silver
from tests.defs.openlineage_faults import faultless
from tests.sources.football_data_org import answer, match

COMPETITION = dg.AssetKey(["silver", "competition"])


class Project:
    """The dbt project on an empty warehouse."""

    def __init__(self, urls: Urls) -> None:
        self.settings = Settings.read({"TRANSFORM_DATABASE_URL": urls.transform})
        self.silver = Silver(urls.transform)

    def run(
        self, selection: dg.AssetSelection | None = None, instance: dg.DagsterInstance | None = None
    ) -> dg.ExecuteInProcessResult:
        from pipelines.defs.dbt import Dbt
        from pipelines.defs.transformation import transformation

        resources = {"dbt": Dbt(), "settings": self.settings, "turn": None, "warehouse": None}
        return dg.materialize([transformation], selection=selection, instance=instance, resources=resources, raise_on_error=False)


X9 = "mmz4281/2324/X9.csv"


def load_competitions_nobody_knows(urls: Urls) -> None:
    """Of each source that has any; a cup of openfootball's and a play-off are left out on purpose."""
    division = b"Div,Date,HomeTeam,AwayTeam,FTHG,FTAG,FTR\nX9,12/08/2023,One,Two,1,0,H\nX9,12/08/2023,Three,Four,0,0,D\n"
    played = {"date": "2023-08-12", "team1": "One", "team2": "Two", "score": {"ft": [1, 0]}}
    cup = json.dumps({"name": "DFB Pokal 2023/24", "matches": [played]}).encode()
    play_off = match("2023-08-12T14:00:00Z", "One", "Two", (1, 0), stage="PLAY_OFFS")
    listed = answer(play_off, match("2023-08-12T14:00:00Z", "Five", "Six", (1, 0), code="XX"))
    files = (
        ("football_data", X9, division, football_data_file.parse(division, football_data.expectation_of(X9))),
        ("openfootball", "2023-24/de.cup.json", cup, openfootball.parse(cup)),
        ("inbox", "my.json", cup, openfootball.parse(cup)),
        ("football_data_org", "2023/PL.json", listed, football_data_org.parse(listed)),
    )
    now = datetime(2024, 1, 1, tzinfo=UTC)
    with psycopg.connect(urls.ingest) as connection:
        for source, key, content, parsed in files:
            bronze.load(connection, Delivery(source, key, content, None, None, now), parsed, now)


@pytest.fixture
def project(database: Urls, monkeypatch: pytest.MonkeyPatch) -> Project:
    ensure_manifest()
    monkeypatch.setenv("TRANSFORM_DATABASE_URL", database.transform)
    monkeypatch.setenv("INGEST_DATABASE_URL", database.ingest)
    # dbt's address goes by the environment: set here, so that it is put back.
    for name, value in Settings.read().dbt_environment().items():
        monkeypatch.setenv(name, value)
    return Project(database)


def test_every_model_and_test_is_told_to_dagster_a_day_runs_every_test_and_a_part_runs_alone(
    project: Project, database: Urls
) -> None:
    load_competitions_nobody_knows(database)
    with dg.DagsterInstance.ephemeral() as instance:
        whole = project.run(instance=instance)
        models_are_told_to_a_lineage_server(instance, whole.dagster_run)
    assert whole.success
    made = {event.asset_key.to_user_string() for event in whole.get_asset_materialization_events() if event.asset_key}
    assert {"silver/competition", "silver/int_match", "gold/fct_match", "gold/feat_match"} <= made
    checks = {evaluation.check_name: evaluation for evaluation in whole.get_asset_check_evaluations()}
    assert {"a_club_never_plays_itself", "unique_competition_competition_id"} <= checks.keys()
    unknown = checks["lines_of_competitions_nobody_knows"]
    assert (unknown.passed, unknown.severity) == (False, dg.AssetCheckSeverity.WARN)
    assert unknown.description == "3 rows, shown in the Dagster UI"
    shown = unknown.metadata["failing rows"]
    assert isinstance(shown, dg.TableMetadataValue)
    assert sorted(tuple(record.data.values()) for record in shown.records) == [
        ("football_data", X9, "X9", "", "", "2"),
        ("football_data_org", "2023/PL.json", "XX", "", "", "1"),
        ("inbox", "my.json", "", "", "DFB Pokal 2023/24", "1"),
    ]
    assert all(evaluation.passed for name, evaluation in checks.items() if name != unknown.check_name)
    project.silver.require_whole()

    day = project.run()
    assert {evaluation.check_name for evaluation in day.get_asset_check_evaluations()} == checks.keys()
    kept_up = {event.asset_key.to_user_string() for event in day.get_asset_materialization_events() if event.asset_key}
    seeds = {"silver/competition", "silver/competition_alias", "silver/team_alias", "silver/quote_column"}
    assert made - kept_up == seeds | {name for name in made if name.startswith("silver/stg_")}

    part = project.run(dg.AssetSelection.assets(COMPETITION).without_checks())
    assert part.success
    assert [event.asset_key for event in part.get_asset_materialization_events()] == [COMPETITION]


def models_are_told_to_a_lineage_server(instance: dg.DagsterInstance, run: dg.DagsterRun) -> None:
    """Each model is a job of its own between the tables that it reads and the one that it makes; its tests judge that one."""
    from pipelines.defs import lineage
    from pipelines.defs.transformation import transformation

    resources = dict.fromkeys(("dbt", "settings", "turn", "warehouse"), dg.ResourceDefinition.none_resource())
    story = lineage._story(Settings.read(), dg.Definitions(assets=[transformation], resources=resources).get_repository_def())
    log = [record.event_log_entry for record in instance.get_records_for_run(run.run_id).records]
    events = faultless(story.tell(run, log))
    database = Settings.read().ingest_url.rpartition("/")[2]
    told = {(event["job"]["name"], event["eventType"]): event for event in events}
    form = told["transformation.silver.int_form", "COMPLETE"]
    assert [dataset["name"] for dataset in form["inputs"]] == [f"{database}.silver.int_match"]
    (output,) = form["outputs"]
    assert output["name"] == f"{database}.silver.int_form"
    assert output["facets"]["datasetType"]["datasetType"] == "TABLE"
    assert output["outputFacets"]["outputStatistics"]["rowCount"] == 0
    assert form["job"]["facets"]["sourceCodeLocation"]["path"] == "dbt_project/models/silver/intermediate/int_form.sql"
    assert "matches_to_record" in form["job"]["facets"]["sourceCode"]["sourceCode"]
    assert form["run"]["facets"]["parent"]["job"]["name"] == "transformation"
    assert told["transformation.silver.int_form", "START"]["eventTime"] <= form["eventTime"]
    seed = told["transformation.silver.competition", "COMPLETE"]["outputs"][0]
    assert seed["outputFacets"]["outputStatistics"]["rowCount"] > 30
    view = told["transformation.gold.fct_match", "COMPLETE"]["outputs"][0]
    assert (view["facets"]["datasetType"]["datasetType"], view["outputFacets"]) == ("VIEW", {})
    judged = {dataset["name"]: dataset["inputFacets"]["dataQualityAssertions"]["assertions"]
              for dataset in told["transformation", "COMPLETE"]["inputs"]}  # fmt: skip
    (unique,) = (each for each in judged[f"{database}.silver.competition"] if each["assertion"] == "unique")
    assert (unique["column"], unique["success"]) == ("competition_id", True)
    assert told["transformation", "COMPLETE"]["outputs"] == []
    fields = {(output["name"].partition(".")[2], field["name"]): field.get("description")
              for event in events for output in event["outputs"] for field in output["facets"]["schema"]["fields"]}  # fmt: skip
    assert sorted(".".join(column) for column, description in fields.items() if not description) == []


def test_a_model_that_fails_fails_the_run_in_words_and_leaves_the_tables_marked(project: Project, database: Urls) -> None:
    with psycopg.connect(database.owner) as connection:
        connection.execute("revoke select on bronze.football_data_match from football_transform")
    result = project.run()
    assert not result.success
    (failure,) = (event.step_failure_data for event in result.all_events if event.is_step_failure)
    said = failure.user_failure_data.description
    assert "int_sighting" in said
    assert "permission denied for table football_data_match" in said
    assert project.silver.made_by() is None
