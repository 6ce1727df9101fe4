"""Lists as CSV: which there are is told by the OpenAPI document, and each is what the document says."""

import csv
import io
from collections.abc import Callable
from typing import Any

import pytest
from msgspec import Struct

from serving.answers import to_csv
from tests.serving.conftest import Client

Ask = Callable[..., Any]

ADDRESSES = {
    "/v1/audit": "/v1/audit",
    "/v1/competitions": "/v1/competitions",
    "/v1/competitions/{competition_id}/season": "/v1/competitions/E0/season",
    "/v1/keys": "/v1/keys",
    "/v1/matches": "/v1/matches",
    "/v1/matches/{match_id}/predictions": "/v1/matches/m1/predictions",
    "/v1/models": "/v1/models",
    "/v1/models/{model_name}/evidence": "/v1/models/results/evidence",
    "/v1/predictions": "/v1/predictions",
    "/v1/publication/checks": "/v1/publication/checks",
    "/v1/publications": "/v1/publications",
    "/v1/record": "/v1/record",
    "/v1/record/calibration": "/v1/record/calibration",
    "/v1/record/distance": "/v1/record/distance?information_set=results",
    "/v1/record/predictions": "/v1/record/predictions",
    "/v1/sessions": "/v1/sessions",
    "/v1/teams": "/v1/teams",
    "/v1/users": "/v1/users",
    "/v1/users/{user_id}/keys": "/v1/users/1/keys",
    "/v1/users/{user_id}/sessions": "/v1/users/1/sessions",
}


@pytest.fixture(scope="module")
def columns(client: Client) -> dict[str, str]:
    """By path, the first line that the document has as its example."""
    paths = client.get("/schema/openapi.json").json()["paths"]
    contents = {path: item["get"]["responses"]["200"].get("content", {}) for path, item in paths.items() if "get" in item}
    return {path: content["text/csv"]["example"] for path, content in contents.items() if "text/csv" in content}


def test_every_list_is_documented_as_csv(columns: dict[str, str]) -> None:
    assert columns.keys() == ADDRESSES.keys()


@pytest.mark.parametrize("path", ADDRESSES)
def test_a_list_as_csv_has_the_documented_columns_and_as_many_rows_as_in_json(
    client: Client, bearer: Callable[..., dict[str, str]], columns: dict[str, str], path: str
) -> None:
    answer = client.get(ADDRESSES[path], headers=bearer("admin") | {"Accept": "text/csv"})
    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    header, *rows = csv.reader(io.StringIO(answer.text))
    assert ",".join(header) + "\n" == columns[path]
    twin = client.get(ADDRESSES[path], headers=bearer("admin")).json()
    assert len(rows) == len(next(value for value in twin.values() if isinstance(value, list)))
    assert {len(row) for row in rows} <= {len(header)}


ONES: dict[str, str] = {
    "/v1/predictions/{prediction_id}": f"/v1/predictions/{1:064x}",
    "/v1/predictions/{prediction_id}/lineage": f"/v1/predictions/{1:064x}/lineage",
    "/v1/status": "/v1/status",
    "/v1/publication": "/v1/publication",
    "/v1/competitions/{competition_id}": "/v1/competitions/E0",
}
BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"


@pytest.mark.parametrize("path", ONES)
def test_who_takes_nothing_but_csv_is_told_what_there_is_where_there_is_none(
    client: Client, bearer: Callable[..., dict[str, str]], path: str
) -> None:
    """Else a program that reads tables would read JSON, and fail at its first line; whether or not the JSON lies ready."""
    documented = client.get("/schema/openapi.json").json()["paths"][path]["get"]["responses"]["406"]
    assert [*documented["content"]] == ["application/problem+json"]
    analyst, address = bearer("analyst"), ONES[path]
    usual = client.get(address, headers=analyst)
    for accept in ("*/*", BROWSER, "application/json", "text/csv, application/json;q=0.5", "text/csv, */*;q=0.1", "image/png"):
        answer = client.get(address, headers=analyst | {"Accept": accept})
        assert (answer.status_code, answer.headers["content-type"]) == (usual.status_code, usual.headers["content-type"]), accept
    for accept in ("text/csv", "text/*", "text/csv, application/json;q=0"):
        for method in ("GET", "HEAD"):
            refused = client.request(method, address, headers=analyst | {"Accept": accept})
            assert (refused.status_code, refused.headers["content-type"]) == (406, "application/problem+json"), accept
    assert "application/json" in client.get(address, headers=analyst | {"Accept": "text/csv"}).json()["detail"]
    assert client.get(address, headers={"Accept": "text/csv"}).status_code == 401, "nobody in particular is told nothing"


def test_every_read_documents_csv_or_that_there_is_none(client: Client, columns: dict[str, str]) -> None:
    paths = client.get("/schema/openapi.json").json()["paths"]
    refused = {path for path, item in paths.items() if "406" in item.get("get", {"responses": {}})["responses"]}
    assert refused >= ONES.keys()
    assert refused | columns.keys() == {path for path, item in paths.items() if path.startswith("/v1/") and "get" in item}
    assert not refused & columns.keys()


def test_what_is_a_list_itself_is_json_in_its_cell(ask: Ask) -> None:
    address = "/v1/models/results/evidence"
    (row, *_) = csv.DictReader(io.StringIO(ask(address, {"Accept": "text/csv"}).text))
    assert row["reasons"].startswith('["')


class Named(Struct):
    name: str
    change: float


@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
def test_a_name_that_a_spreadsheet_would_run_as_a_formula_is_text_to_it_and_a_number_below_zero_stays_one(start: str) -> None:
    assert to_csv(Named, [Named(start + "cmd()", -0.5)]) == f"name,change\n'{start}cmd(),-0.5\n".encode()
