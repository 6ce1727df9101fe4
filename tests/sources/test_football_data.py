"""Every anomaly seen in football-data.co.uk files, and every bad input we could think of, on small files made here."""

from datetime import date
from pathlib import Path

import pytest

from pipelines.sources.football_data import DIVISIONS, NEW_LEAGUES, FootballData, expectation_of, season_code, season_of
from pipelines.sources.football_data_file import column_names, parse
from pipelines.sources.http import Web
from pipelines.sources.protocol import MAX_ENTRIES_PER_REASON, ParsedFile, Scope, SourceUnreachable

MAIN = "mmz4281/2324/E0.csv"
HEADER = "Div,Date,Time,HomeTeam,AwayTeam,FTHG,FTAG,FTR,HTHG,HTAG,HTR,B365H,B365D,B365A"
ARSENAL = "E0,12/08/2023,12:30,Arsenal,Forest,2,1,H,2,0,H,1.18,7,15"
EVERTON = "E0,12/08/2023,15:00,Everton,Fulham,0,1,A,0,0,D,2.4,3.3,3"
NEW_HEADER = "Country,League,Season,Date,Time,Home,Away,HG,AG,Res,PSCH,PSCD,PSCA"
RIVER = "Argentina,Liga Profesional ,2023,28/01/2023,00:30,River Plate,Boca Juniors,1,0,H,1.9,3.3,4.2"


def read(*lines: str, key: str = MAIN, end: str = "\r\n", final: str = "\r\n", encoding: str = "ascii") -> ParsedFile:
    """Parse a file of these lines, and check what must hold of every file."""
    parsed = parse((end.join(lines) + final).encode(encoding), expectation_of(key))
    assert parsed.is_reconciled
    assert all(line.explanation.endswith(".") for line in parsed.quarantined)
    return parsed


def reasons(parsed: ParsedFile) -> list[tuple[int | None, str]]:
    return [(line.line_number, line.reason) for line in parsed.quarantined]


def homes(parsed: ParsedFile) -> list[str]:
    return [row.cells["HomeTeam"] for row in parsed.rows]


# --------------------------------------------------------------------------- what is kept


def test_cells_stay_as_delivered_and_empty_ones_are_left_out() -> None:
    parsed = read(HEADER, "E0,12/08/2023,,Arsenal ,Forest,2,1,H,2,0,H,#,0, ")
    assert (parsed.layout, parsed.state, parsed.encoding) == ("main", "intact", "ascii")
    assert parsed.header == tuple(HEADER.split(","))
    (row,) = parsed.rows
    assert row.line_number == 2
    assert row.cells == {
        "Div": "E0",
        "Date": "12/08/2023",
        "HomeTeam": "Arsenal ",
        "AwayTeam": "Forest",
        "FTHG": "2",
        "FTAG": "1",
        "FTR": "H",
        "HTHG": "2",
        "HTAG": "0",
        "HTR": "H",
        "B365H": "#",
        "B365D": "0",
    }


def test_names_come_in_ascending_order_so_that_a_column_may_change_place() -> None:
    (row,) = read(HEADER, ARSENAL).rows
    assert list(row.cells) == sorted(row.cells)


def test_a_match_without_a_score_is_a_match() -> None:
    parsed = read(HEADER, ARSENAL, "E0,13/08/2023,15:00,Chelsea,Luton,,,,,,,1.2,7,15")
    assert [row.cells.get("FTHG") for row in parsed.rows] == ["2", None]


def test_blank_rows_are_counted_and_not_kept() -> None:
    parsed = read(HEADER, ARSENAL, ",,,,,,,", "", " , ,\xa0", '"",""', encoding="cp1252")
    assert (len(parsed.rows), parsed.n_blank, parsed.n_lines) == (1, 4, 6)


def test_blank_rows_above_the_header_do_no_harm() -> None:
    parsed = read(",,,", HEADER, ARSENAL)
    assert (len(parsed.rows), parsed.n_blank, parsed.rows[0].line_number) == (1, 1, 3)


def test_a_repeated_column_is_numbered_and_a_nameless_one_keyed_by_its_place() -> None:
    assert column_names(["LB", "", "LB", " ", "LB", "Date "]) == ("LB", "#2", "LB.2", "#4", "LB.3", "Date")
    assert column_names(["LB", "LB.2", "LB"]) == ("LB", "LB.2", "LB.3")


def test_values_under_nameless_columns_and_beyond_the_header_are_kept() -> None:
    (row,) = read("Div,Date,HomeTeam,AwayTeam,FTHG,FTAG,FTR,,", "E0,12/08/2023,Arsenal,Forest,2,1,H,,x,,y").rows
    assert {key: value for key, value in row.cells.items() if key.startswith("#")} == {"#11": "y", "#9": "x"}
    assert list(row.cells) == sorted(row.cells)


def test_a_row_shorter_than_the_header_counts_if_it_reaches_the_result() -> None:
    assert homes(read(HEADER, "E0,12/08/2023,12:30,Arsenal,Forest,2,1,H", EVERTON)) == ["Arsenal", "Everton"]


def test_old_greek_files_call_the_teams_ht_and_at() -> None:
    parsed = read("Div,Date,HT,AT,FTHG,FTAG,FTR", "G1,20/08/00,Aris,PAOK,1,1,D", key="mmz4281/0001/G1.csv")
    assert parsed.rows[0].cells["HT"] == "Aris"


@pytest.mark.parametrize("day", ["14/08/93", "14/08/1993", "4/8/93"])
def test_two_and_four_digit_years_mean_the_same(day: str) -> None:
    assert len(read("Div,Date,HomeTeam,AwayTeam,FTHG,FTAG,FTR", f"E0,{day},A,B,1,1,D", key="mmz4281/9394/E0.csv").rows) == 1


def test_a_comma_in_quotation_marks_is_no_separator() -> None:
    header = "Div,Date,HomeTeam,AwayTeam,FTHG,FTAG,FTR,Referee"
    (row,) = read(header, 'E0,22/12/01,Derby,Villa,3,1,H,"Elleray, D. R."', key="mmz4281/0102/E0.csv").rows
    assert row.cells["Referee"] == "Elleray, D. R."


def test_new_leagues_are_one_file_with_all_seasons_out_of_order() -> None:
    parsed = read(NEW_HEADER, RIVER, RIVER.replace("28/01/2023", "03/08/2012"), key="new/ARG.csv", encoding="utf-8-sig")
    assert (parsed.layout, len(parsed.rows), parsed.encoding) == ("new", 2, "utf-8-sig")


def test_fixtures_have_no_score_and_many_divisions() -> None:
    parsed = read(HEADER, ARSENAL[:38] + ",,,,,,1.2,7,15", "D1,12/08/2023,12:30,Bayern,Koln,,,,,,,1.2,7,15", key="fixtures.csv")
    assert (parsed.layout, len(parsed.rows)) == ("fixtures", 2)
    header = "Country,League,Date,Time,Home,Away,PH,PD,PA"
    new = read(header, "Brazil,Serie A,12/08/2023,20:00,Bahia,Santos,2,3,4", key="new_league_fixtures.csv")
    assert (new.layout, len(new.rows)) == ("new_fixtures", 1)


def test_a_header_alone_is_a_season_that_has_not_begun() -> None:
    parsed = read(HEADER)
    assert (parsed.state, parsed.n_lines, parsed.n_header, len(parsed.rows)) == ("intact", 1, 1, 0)


# --------------------------------------------------------------------------- what is set aside


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("E0,31/02/2024,12:30,Chelsea,Luton,1,0,H", "bad_date"),
        ("E0,2024-02-01,12:30,Chelsea,Luton,1,0,H", "bad_date"),
        ("E0,yesterday,12:30,Chelsea,Luton,1,0,H", "bad_date"),
        ("E0,00/00/0000,12:30,Chelsea,Luton,1,0,H", "bad_date"),
        ("E0,,12:30,Chelsea,Luton,1,0,H", "no_date"),
        ("E0,01/02/2024,12:30,Chelsea,,1,0,H", "no_teams"),
        ("E0,01/02/2024,12:30, ,Luton,1,0,H", "no_teams"),
        ("E0,01/02/2024,12:30,Luton,Luton ,1,0,H", "team_against_itself"),
        ("E0,01/02/2024,12:30,Chelsea,Luton,-1,0,A", "impossible_score"),
        ("E0,01/02/2024,12:30,Chelsea,Luton,99,0,H", "impossible_score"),
        ("E0,01/02/2024,12:30,Chelsea,Luton,two,0,H", "impossible_score"),
        ("E0,01/02/2024,12:30,Chelsea,Luton,2,,H", "impossible_score"),
        ("E0,01/02/2024,12:30,Chelsea,Luton,\u0663,0,H", "impossible_score"),
        ("E0,01/02/2024,12:30,Chelsea,Lut", "broken_off"),
        ("E0,01/02/2024,12:30,Chelsea,Luton,1", "broken_off"),
        ("E0,01/02/2024,12:30,Chel\0sea,Luton,1,0,H", "nul_bytes"),
        ("D1,01/02/2024,12:30,Koln,Mainz,1,0,H", "other_competition"),
        ("E0,01/02/2019,12:30,Chelsea,Luton,1,0,H", "other_season"),
        (HEADER, "not_a_match"),
        (ARSENAL, "duplicate_line"),
        (ARSENAL + ",,", "duplicate_line"),
        ('E0,01/02/2024,12:30,"Chelsea,Luton,1,0,H', "unreadable_quotes"),
        ("E0,01/02/2024,12:30,Chelsea,Luton,1,0,H" + ",1" * 2000, "too_many_columns"),
    ],
)
def test_a_line_that_cannot_be_a_match_is_set_aside_with_its_reason_and_nothing_else_is_lost(line: str, reason: str) -> None:
    parsed = read(HEADER, ARSENAL, line, EVERTON, encoding="utf-8")
    assert reasons(parsed) == [(3, reason)]
    assert homes(parsed) == ["Arsenal", "Everton"]
    assert parsed.state == "intact"


def test_the_last_line_is_set_aside_when_the_file_breaks_off_even_if_it_looks_whole() -> None:
    parsed = read(HEADER, ARSENAL, EVERTON, final="")
    assert (parsed.state, homes(parsed), reasons(parsed)) == ("truncated", ["Arsenal"], [(3, "broken_off")])


def test_two_lines_about_one_match_are_both_kept_unless_they_say_the_same() -> None:
    other_odds = ARSENAL.replace("1.18", "1.2")
    parsed = read(HEADER, ARSENAL, other_odds, other_odds, ARSENAL)
    assert [row.line_number for row in parsed.rows] == [2, 3]
    assert reasons(parsed) == [(4, "duplicate_line"), (5, "duplicate_line")]


def test_a_quarantined_line_keeps_its_teams_so_that_their_last_good_state_may_stand() -> None:
    (line,) = read(HEADER, ARSENAL, EVERTON.replace(",0,1,A,", ",0,99,A,")).quarantined
    assert line.teams == ("Everton", "Fulham")
    assert line.content == EVERTON.replace(",0,1,A,", ",0,99,A,")
    assert line.explanation == "The score is not two whole numbers within reason: 0 to 99."


def test_nul_bytes_show_as_symbols_because_text_in_the_database_cannot_hold_them() -> None:
    (line,) = read(HEADER, ARSENAL, "E0,\0\0\0").quarantined
    assert line.content == "E0,␀␀␀"


def test_nul_bytes_in_the_header_are_passed_over() -> None:
    assert homes(read(HEADER + "\0", ARSENAL)) == ["Arsenal"]


def test_endless_garbage_makes_a_bounded_number_of_entries() -> None:
    parsed = read(HEADER, ARSENAL, *[f"E0,32/01/2024,,Club {n},Other,1,0,H" for n in range(5000)])
    assert len(parsed.quarantined) == MAX_ENTRIES_PER_REASON + 1
    assert parsed.n_quarantined == 5000


# --------------------------------------------------------------------------- what is refused whole


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"\r\n \r\n", "empty"),
        (b"\xef\xbb\xbf", "empty"),
        (b"<!DOCTYPE HTML PUBLIC><html>\n<body>Multiple Choices</body></html>\n", "html"),
        (b"\n  <HTML><body>Not found</body></html>", "html"),
        (b"oops\n<html><body>502</body></html>\n", "html"),
        (b'<?xml version="1.0"?><Error/>', "html"),
        (b"404 page not found\n", "no_header"),
        (ARSENAL.encode() + b"\n" + EVERTON.encode() + b"\n", "no_header"),
        (HEADER.encode(), "no_header"),
        (b"\0" * 4096, "no_header"),
        ((HEADER + ",x" * 2000 + "\n" + ARSENAL + "\n").encode(), "too_many_columns"),
        ((HEADER + ',"x\n' + ARSENAL + "\n").encode(), "unreadable_quotes"),
        ((NEW_HEADER + "\n" + RIVER + "\n").encode(), "no_header"),
        ((HEADER + "\n" + ARSENAL.replace("E0", "D1") + "\n").encode(), "other_competition"),
        ((HEADER + "\n" + ARSENAL.replace("2023", "2018") + "\n").encode(), "other_season"),
    ],
)
def test_a_file_of_which_nothing_can_be_used_is_one_explained_entry(content: bytes, reason: str) -> None:
    parsed = parse(content, expectation_of(MAIN))
    assert parsed.is_reconciled
    assert (parsed.state, parsed.rows, reasons(parsed)) == ("refused", (), [(None, reason)])
    assert parsed.n_quarantined == parsed.n_lines


def test_another_countrys_file_under_this_name_is_refused() -> None:
    parsed = read(NEW_HEADER, RIVER, key="new/BRA.csv")
    assert reasons(parsed) == [(None, "other_competition")]


def test_a_header_without_a_score_is_no_league_file() -> None:
    assert reasons(read("Div,Date,HomeTeam,AwayTeam", "E0,12/08/2023,A,B")) == [(None, "no_header")]


# --------------------------------------------------------------------------- which files there are


def test_seasons_have_codes_that_sort_by_year_not_as_text() -> None:
    assert [season_code(year) for year in (1993, 1999, 2000, 2023)] == ["9394", "9900", "0001", "2324"]
    assert [season_of(code) for code in ("9394", "9900", "0001", "2324")] == [1993, 1999, 2000, 2023]


def test_a_server_is_asked_for_every_file_it_could_have() -> None:
    source = FootballData("https://www.football-data.co.uk", Web())
    everything = source.list(Scope.read("all", "all", date(2024, 6, 30)))
    assert len(everything) == len(DIVISIONS) * 31 + len(NEW_LEAGUES) + 2 == 22 * 31 + 16 + 2
    assert source.list(Scope.read("E0,ARG", "2022-2023", date(2024, 6, 30))) == [
        "mmz4281/2223/E0.csv",
        "mmz4281/2324/E0.csv",
        "new/ARG.csv",
        "fixtures.csv",
        "new_league_fixtures.csv",
    ]


def test_a_competition_the_site_does_not_have_is_said_so() -> None:
    with pytest.raises(ValueError, match="no competition X9"):
        FootballData("https://www.football-data.co.uk", Web()).list(Scope.read("X9", "", date(2024, 6, 30)))


def test_a_folder_gives_the_files_it_has_but_no_snapshots_and_no_rolling_extracts(tmp_path: Path) -> None:
    present = ("mmz4281/9394/E0.csv", "mmz4281/2324/E0.csv", "mmz4281/2324/Q1.csv", "new/ARG.csv", "fixtures.csv")
    passed_over = ("new/Latest_Results.csv", "snapshots/mmz4281/2324/E0.csv", "mmz4281/2324/notes.txt", "mmz4281/2324/All.csv")
    for name in (*present, *passed_over):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(HEADER)
    source = FootballData(tmp_path.as_uri(), Web())
    assert source.list(Scope.read("all", "all", date(2024, 6, 30))) == list(present)
    assert source.list(Scope.read("E0", "2023", date(2024, 6, 30))) == ["mmz4281/2324/E0.csv", "fixtures.csv"]


def test_a_folder_s_seasons_are_in_their_order_over_the_turn_of_the_century(tmp_path: Path) -> None:
    """By their codes 9394 would follow 2324, and a competition's partitions would not be a range of seasons."""
    keys = ["mmz4281/9394/E0.csv", "mmz4281/9900/E0.csv", "mmz4281/0001/D1.csv", "mmz4281/0001/E0.csv", "mmz4281/2324/E0.csv"]
    present = [*keys, "new/ARG.csv"]
    for key in present:
        (tmp_path / key).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / key).touch()
    assert FootballData(tmp_path.as_uri(), Web()).list(Scope.read("all", "all", date(2024, 6, 30))) == present


def test_a_folder_that_is_not_there_is_an_unreachable_source(tmp_path: Path) -> None:
    with pytest.raises(SourceUnreachable, match="does not exist"):
        FootballData((tmp_path / "nowhere").as_uri(), Web()).list(Scope.read("all", "all", date(2024, 6, 30)))


def test_coming_matches_stand_in_two_small_files() -> None:
    assert FootballData("https://www.football-data.co.uk", Web()).coming() == ("fixtures.csv", "new_league_fixtures.csv")
