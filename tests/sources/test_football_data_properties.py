"""What holds of every file, whatever happened to its bytes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.sources.football_data import expectation_of
from pipelines.sources.football_data_file import parse
from pipelines.sources.protocol import ParsedFile

KEY = "mmz4281/1617/D1.csv"
_TEXT = "\n".join(
    [
        "Div,Date,HomeTeam,AwayTeam,FTHG,FTAG,FTR,Referee,B365H,LB,LB,",
        'D1,26/08/16,Köln,Nürnberg,2,0,H,"Kinhöfer, T",1.77,3,4,',
        "D1,27/08/16,King’s Lynn,Mainz,10,12,A,Stark,,,,x",
        ",,,,,,,,,,,",
        "D1,27/08/16,Bayern,Bremen,6,0,H",
        "D1,31/02/17,Hertha,Freiburg,2,1,H,Aytekin,2,3,4,",
        "D1,28/08/16,Ein Frankfurt,Dusseldorf,,,,Zwayer,2,3,4,",
        "",
    ]
)
FORMS = {
    "cp1252 with CR LF": _TEXT.replace("\n", "\r\n").encode("cp1252"),
    "utf-8 with LF": _TEXT.encode(),
    "utf-8 with a mark": b"\xef\xbb\xbf" + _TEXT.replace("\n", "\r\n").encode(),
    "a doubled mark": b"\xc3\xaf\xc2\xbb\xc2\xbf" + _TEXT.replace("\n", "\r\n").encode(),
    "a mirror's CR CR LF": _TEXT.replace("\n", "\r\r\n").encode("cp1252").decode("latin-1").encode(),
}


def _contents(parsed: ParsedFile) -> list[tuple[int, dict[str, str]]]:
    return [(row.line_number, row.cells) for row in parsed.rows]


@pytest.mark.parametrize("form", FORMS)
def test_the_same_matches_come_out_of_every_form(form: str) -> None:
    parsed = parse(FORMS[form], expectation_of(KEY))
    assert _contents(parsed) == _contents(parse(FORMS["utf-8 with LF"], expectation_of(KEY)))
    assert len(parsed.rows) == 4
    assert parsed.rows[1].cells["HomeTeam"] == "King’s Lynn"


@pytest.mark.parametrize("form", FORMS)
def test_cut_at_any_byte_a_file_loses_no_line_before_the_cut_and_invents_none(form: str) -> None:
    content = FORMS[form]
    whole = _contents(parse(content, expectation_of(KEY)))
    for length in range(len(content)):
        parsed = parse(content[:length], expectation_of(KEY))
        n_complete = content[:length].count(b"\n")
        assert parsed.is_reconciled
        assert _contents(parsed) == [row for row in whole if row[0] <= n_complete]
        assert parsed.state != "intact" or content[:length].endswith(b"\n")


@settings(max_examples=200, deadline=None)
@given(form=st.sampled_from(sorted(FORMS)), changes=st.lists(st.tuples(st.integers(0, 600), st.binary(max_size=3)), max_size=8))
def test_changed_bytes_never_crash_and_every_line_stays_accounted_for(form: str, changes: list[tuple[int, bytes]]) -> None:
    content = FORMS[form]
    for place, replacement in changes:
        content = content[:place] + replacement + content[place + len(replacement) :]
    assert parse(content, expectation_of(KEY)).is_reconciled


@settings(max_examples=200, deadline=None)
@given(
    content=st.binary(max_size=300), key=st.sampled_from([KEY, "new/ARG.csv", "fixtures.csv", "new_league_fixtures.csv", "x.csv"])
)
def test_any_bytes_at_all_are_accounted_for(content: bytes, key: str) -> None:
    parsed = parse(content, expectation_of(key))
    assert parsed.is_reconciled
    assert parsed.n_lines - content.count(b"\n") in (0, 1)
