"""The kind of a column's values, told from some lines."""

import pytest

from pipelines.sources import football_data, football_data_file, international
from pipelines.sources.kinds import ENOUGH, N_LINES, kind_of, kinds


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        *(("12", "number"), ("-0.25", "number"), ("2,5", "number with a comma"), (" 1.9 ", "number"), ("1e5", "text")),
        *(("12/08/23", "day/month/year of two digits"), ("12/08/2023", "day/month/year"), ("2023-08-12", "year-month-day")),
        *(("15:00", "time of day"), ("M Oliver", "text"), ("", None), (" ", None)),
        *(("2023-08-12T15:00:00Z", "moment"), ("2023-08-12T15:00:00.5+01:00", "moment"), ("2023-08-12T15:00:00", "text")),
    ],
)
def test_the_form_of_a_cell_tells_its_kind(text: str, kind: str | None) -> None:
    assert kind_of(text) == kind


def test_a_column_is_told_by_nearly_all_of_its_filled_cells_and_not_by_a_few() -> None:
    lines = [["1", "x", "", "1"] if n else ["?", "", "", "?"] for n in range(ENOUGH)]
    lines[1][3] = "?"
    assert kinds(["A", "B", "C", "D"], lines) == {"A": "number"}  # B has too few, C none, D is mixed


def test_lines_are_looked_at_all_over_a_file_whether_they_are_matches_or_not() -> None:
    """A file whose days are in a form that no match can have still tells that form."""
    days = [f"2024-01-{1 + n % 28:02},{n}" for n in range(20 * N_LINES)]
    content = "\n".join(
        ["Div,Date,HomeTeam,AwayTeam,FTHG,FTAG,FTR,HS", *(f"E0,{day[:10]},A{day[11:]},B,1,0,H,9" for day in days), ""]
    )
    parsed = football_data_file.parse(content.encode(), football_data.expectation_of("mmz4281/2324/E0.csv"))
    assert (len(parsed.rows), parsed.kinds["Date"], parsed.kinds["HS"]) == (0, "year-month-day", "number")


def test_a_table_that_lacks_a_needed_column_is_refused_with_its_header_and_another_kind_of_file_without() -> None:
    expected = football_data.expectation_of("mmz4281/2324/E0.csv")
    table = football_data_file.parse(b"Div,Date,AwayTeam,FTHG,FTAG,FTR\nE0,12/08/2023,B,1,0,H\n", expected)
    assert (table.state, table.header) == ("refused", ("Div", "Date", "AwayTeam", "FTHG", "FTAG", "FTR"))
    other = football_data_file.parse(b"Date,Visitors\n12/08/2023,1000\n", expected)
    assert (other.state, other.header) == ("refused", None)
    national = international.parse(b"date,home_team,away_team,home_score,away_score,tournament\n2024-01-01,A,B,1,0,Friendly\n")
    assert (national.state, len(national.header or ())) == ("refused", 6)
    assert international.parse(b"a,b\n1,2\n").header is None
