"""The same reader on real files, where there are any."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

import pytest

from pipelines.sources.football_data import FootballData
from pipelines.sources.http import Web
from pipelines.sources.openfootball import OpenFootball
from pipelines.sources.protocol import Delivery, ParsedFile, Scope, Source, UnusableCell

EVERYTHING = Scope.read("all", "all", date(2024, 6, 30))


def parse_all(source: Source) -> Iterator[tuple[str, ParsedFile]]:
    for key in source.list(EVERYTHING):
        answer = source.fetch(key)
        assert isinstance(answer, Delivery)
        yield key, source.parse(key, answer.content)


@dataclass
class Findings:
    """What is asked of the corpus below, gathered file by file: all rows at once would fill the memory."""

    n_rows: Counter[str] = field(default_factory=Counter)
    states: Counter[str] = field(default_factory=Counter)
    reasons: list[tuple[str, str]] = field(default_factory=list)
    not_reconciled: list[str] = field(default_factory=list)
    with_blank_rows: list[str] = field(default_factory=list)
    without_score: list[tuple[str, int]] = field(default_factory=list)
    names: Counter[str] = field(default_factory=Counter)
    unusable: list[tuple[str, UnusableCell]] = field(default_factory=list)


@pytest.fixture(scope="module")
def football_data(corpus: Path) -> Findings:
    findings = Findings()
    for key, parsed in parse_all(FootballData((corpus / "football-data").as_uri(), Web())):
        findings.n_rows[key.partition("/")[0]] += len(parsed.rows)
        findings.states[parsed.state] += 1
        findings.reasons += [(key, line.reason) for line in parsed.quarantined]
        findings.unusable += [(key, cell) for cell in parsed.unusable]
        findings.not_reconciled += [] if parsed.is_reconciled else [key]
        findings.with_blank_rows += [key] if parsed.n_blank else []
        for row in parsed.rows:
            if "FTHG" not in row.cells and "HG" not in row.cells:
                findings.without_score.append((key, row.line_number))
            if not "".join(row.cells.values()).isascii():
                findings.names.update(value for value in row.cells.values() if not value.isascii())
    return findings


def test_no_match_of_the_corpus_is_lost(football_data: Findings) -> None:
    assert football_data.n_rows == {"mmz4281": 211_071, "new": 49_356}


def test_nothing_of_the_corpus_is_set_aside_but_the_web_page(football_data: Findings) -> None:
    assert football_data.reasons == [("new/AUS.csv", "html")]
    assert football_data.states == {"intact": 600, "refused": 1}


def test_every_line_of_the_corpus_is_accounted_for(football_data: Findings) -> None:
    assert football_data.not_reconciled == []
    assert len(football_data.with_blank_rows) == 107


def test_the_three_matches_without_a_score_are_loaded(football_data: Findings) -> None:
    assert football_data.without_score == [("mmz4281/1415/G1.csv", 302), ("mmz4281/1819/G1.csv", 199), ("new/BRA.csv", 1893)]


def test_names_are_readable_whatever_became_of_their_bytes(football_data: Findings) -> None:
    # 43 and 44 rows in two seasons of two files that a mirror had garbled.
    assert football_data.names["King’s Lynn"] == 43 + 44
    garbled = [name for name in football_data.names if any("\x80" <= sign < "\xa0" or sign in "Ã\ufffd" for sign in name)]
    assert garbled == []


def test_58_cells_of_the_corpus_say_nothing_and_each_says_why(football_data: Findings) -> None:
    assert all(cell.n_cells == 1 for _, cell in football_data.unusable)
    assert Counter(cell.reason for _, cell in football_data.unusable) == {"impossible_price": 46, "not_a_number": 12}
    # Ten lines of handicaps name two at once, such as `-0.5,-1`; the other two are signs for nothing.
    assert [
        (key, cell.line_number, cell.column_name, cell.content)
        for key, cell in football_data.unusable
        if cell.reason == "not_a_number" and cell.column_name != "BbAHh"
    ] == [("mmz4281/2223/N1.csv", 133, "B365CH", "#"), ("mmz4281/2324/SC2.csv", 101, "BWCA", "-")]
    zeros = [(key.split("/", 1)[1], cell.line_number) for key, cell in football_data.unusable if cell.column_name == "B365H"]
    assert zeros == [
        *(("1213/E1.csv", 532), ("1213/E3.csv", 317), ("1415/E2.csv", 461), ("1819/E1.csv", 348)),
        *(("1819/E2.csv", 391), ("1819/SC3.csv", 137), ("2021/E2.csv", 184), ("2021/SC2.csv", 47)),
    ]


def test_the_three_broken_downloads_lose_their_last_line_only(corpus: Path) -> None:
    states, reasons = Counter[str](), []
    for key, parsed in parse_all(FootballData((corpus / "football-data/snapshots/2018-09").as_uri(), Web())):
        assert parsed.is_reconciled, key
        states[parsed.state] += 1
        reasons += [(key, line.reason) for line in parsed.quarantined]
        # The last line of 9596/D1 ends within a name.
        assert not [row for row in parsed.rows if row.cells.get("AwayTeam") == "Dusseld"]
    broken = [(key, "broken_off") for key in ("mmz4281/9596/D1.csv", "mmz4281/0809/E1.csv", "mmz4281/1718/E2.csv")]
    # Three lines of this state of SWZ stand in it twice.
    assert reasons == [*broken, *[("new/SWZ.csv", "duplicate_line")] * 3]
    assert states == {"intact": 35, "truncated": 3}


def test_openfootball_gives_all_its_matches(corpus: Path) -> None:
    files = [
        (len(parsed.rows), len(parsed.quarantined) + len(parsed.unusable))
        for _, parsed in parse_all(OpenFootball((corpus / "openfootball/football.json").as_uri(), Web()))
    ]
    assert (len(files), sum(rows for rows, _ in files), sum(aside for _, aside in files)) == (91, 29_106, 0)
