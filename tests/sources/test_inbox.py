"""Files dropped by hand are recognised by what they hold."""

import os
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from pipelines.sources.http import Web
from pipelines.sources.inbox import Inbox
from pipelines.sources.protocol import Delivery, Missing, Scope

EVERYTHING = Scope.read("all", "all", date(2024, 6, 30))
FILES = {
    "my league.csv": (b"Div,Date,HomeTeam,AwayTeam,FTHG,FTAG,FTR\nE0,12/08/2023,A,B,1,0,H\nD1,12/08/2019,C,D,1,0,H\n", "main", 2),
    "next week.csv": (b"Div,Date,HomeTeam,AwayTeam,FTHG,FTAG,FTR,B365H\nE0,12/08/2023,A,B,,,,2\n", "fixtures", 1),
    "south.csv": (
        b"\xef\xbb\xbfCountry,League,Season,Date,Home,Away,HG,AG,Res\nChile,Primera,2023,12/08/2023,A,B,1,0,H\n",
        "new",
        1,
    ),
    "south next.csv": (b"Country,League,Date,Home,Away,PH\nChile,Primera,12/08/2023,A,B,2\n", "new_fixtures", 1),
    "cup.json": (b'{"name": "Cup", "matches": [{"date": "2023-08-12", "team1": "A", "team2": "B"}]}', "json", 1),
}


@pytest.mark.parametrize("name", FILES)
def test_the_layout_is_told_from_the_content(name: str) -> None:
    content, layout, n_rows = FILES[name]
    parsed = Inbox(Path("unused"), Web()).parse(name, content)
    assert (parsed.layout, parsed.state, len(parsed.rows)) == (layout, "intact", n_rows)


def test_anything_else_is_refused_with_a_reason() -> None:
    parsed = Inbox(Path("unused"), Web()).parse("holiday.jpg", b"\xff\xd8\xff\xe0JFIF")
    assert (parsed.state, parsed.quarantined[0].reason) == ("refused", "no_header")


def test_every_file_is_listed_but_hidden_ones_and_folders(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path / "inbox", Web())
    assert inbox.list(EVERYTHING) == []
    assert inbox.is_missed("a.csv", EVERYTHING), "of a folder that is gone, any file that was loaded"
    (tmp_path / "inbox" / "folder").mkdir(parents=True)
    for name in ("b #2.csv", "a.csv", ".a.csv.swp"):
        (tmp_path / "inbox" / name).write_bytes(b"x")
    assert inbox.list(EVERYTHING) == ["a.csv", "b #2.csv"]
    answer = inbox.fetch("b #2.csv")
    assert isinstance(answer, Delivery)
    assert (answer.source, answer.key, answer.content) == ("inbox", "b #2.csv", b"x")
    assert inbox.fetch("gone.csv") == Missing("inbox", "gone.csv")
    assert not inbox.is_missed("gone.csv", EVERYTHING), "somebody took it away"


def test_a_file_is_unsettled_for_a_minute_after_the_last_byte_whatever_time_it_was_copied_with(tmp_path: Path) -> None:
    inbox = Inbox(tmp_path, Web())
    (tmp_path / "a.csv").write_bytes(b"x")
    (tmp_path / ".a.csv.part").write_bytes(b"x")
    os.utime(tmp_path / "a.csv", (0, 0))  # as a copy that keeps the time of the original
    now = datetime.now(UTC)
    assert inbox.unsettled(now) == ["a.csv"]
    assert inbox.unsettled(now + timedelta(seconds=59)) == ["a.csv"]
    assert inbox.unsettled(now + timedelta(seconds=61)) == []
    assert Inbox(tmp_path / "none", Web()).unsettled(now) == []
