"""The command `challenge` on small files made up here, from the forecasts' file to the figures that it keeps."""

import json
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner

from pipelines.commands.challenge import challenge, read_results

MAIN = """Div,Date,HomeTeam,AwayTeam,FTHG,FTAG,FTR,AvgH,AvgD,AvgA,AvgCH,AvgCD,AvgCA,PSCH,PSCD,PSCA
E0,15/04/2023,Wolves,Brentford,2,0,H,9,9,9,2.0,4.0,4.0,,,
E0,16/04/2023,Leeds,QPR,1,1,D,9,9,9,,,,4.0,4.0,2.0
E0,22/04/2023,Brentford,QPR,0,1,A,9,9,9,2.0,4.0,4.0,,,
E0,29/04/2023,Leeds,Wolves,,,,9,9,9,,,,,,
"""
NEW = """Country,League,Season,Date,Time,Home,Away,HG,AG,Res,PH,PD,PA,MaxH,MaxD,MaxA,AvgH,AvgD,AvgA
Austria,Bundesliga,2022/2023,16/04/2023,15:00,Sturm Graz,Salzburg,0,2,A,9,9,9,9,9,9,4.0,4.0,2.0
"""
SUBMISSION = """ID,Lge,Sea,Date,HT,AT,prd_HS,prd_AS,prd_W,prd_D,prd_L
1,ENG1,22-23,15/04/2023,Wolverhampton,Brentford,1,0,0.5,0.3,0.2
2,ENG1,22-23,16/04/2023,Leeds United,Queens Park Rangers,1,0,0.4,0.3,0.3
3,ENG1,22-23,22/04/2023,Brentford,Queens Park Rangers,1,0,0.4,0.3,0.3
4,AUT1,22-23,16/04/2023,Sturm Graz,RB Salzburg,1,0,0.3,0.3,0.4
5,TUN1,22-23,16/04/2023,Sfax,Monastir,1,0,0.3,0.3,0.4
"""
FORECASTS = [
    ("E0", "2023-04-15", "Wolves", "Brentford", 0.6, 0.2, 0.2),
    ("E0", "2023-04-16", "Leeds", "QPR", 0.3, 0.4, 0.3),
    ("AUT", "2023-04-16", "Sturm Graz", "Salzburg", 0.2, 0.3, 0.5),
]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in {"mmz4281/2223/E0.csv": MAIN, "new/AUT.csv": NEW, "submission.csv": SUBMISSION}.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setenv("FOOTBALL_DATA_URL", tmp_path.as_uri())
    monkeypatch.setenv("EVIDENCE_DIR", str(tmp_path / "evidence"))
    return tmp_path


def write_forecasts(folder: Path, as_of: str = "2023-04-14 00:00:00+00:00") -> Path:
    rows = pd.DataFrame(
        FORECASTS, columns=["source_division", "match_date", "source_home", "source_away", "p_home", "p_draw", "p_away"]
    )
    sets = [rows.assign(information_set=name, model=name, as_of=as_of) for name in ("results", "history")]
    pd.concat(sets).to_csv(folder / "forecasts.csv", index=False)
    return folder / "forecasts.csv"


def test_forecasts_are_scored_beside_contestant_and_closing_odds_on_what_all_have(folder: Path) -> None:
    result = CliRunner().invoke(challenge, [str(write_forecasts(folder)), str(folder / "submission.csv")])
    assert result.exit_code == 0, result.output
    figures = json.loads((folder / "evidence" / "challenge.json").read_text())
    assert {name: figures[name] for name in ("fixtures", "in_our_leagues", "found", "judged")} == {
        "fixtures": 5,
        "in_our_leagues": 4,
        "found": 4,
        "judged": 3,
    }
    assert list(figures["scores"]) == ["contestant", "results", "history", "closing odds", "frequencies"]
    # By hand: home .4² + .2², draw .3² + .3², away .2² + .5², halved.
    assert figures["scores"]["results"]["rps"] == pytest.approx((0.1 + 0.09 + 0.145) / 3, abs=1e-12)
    assert figures["scores"]["results"] == figures["scores"]["history"]
    assert "cannot rank models" in result.output


def test_forecasts_that_knew_of_the_challenges_first_day_are_refused(folder: Path) -> None:
    forecasts = write_forecasts(folder, as_of="2023-04-14 12:00:00+00:00")
    result = CliRunner().invoke(challenge, [str(forecasts), str(folder / "submission.csv")])
    assert result.exit_code == 1
    assert "must not be judged" in result.output


def test_closing_odds_are_the_average_else_pinnacles_and_never_those_before_the_match(folder: Path) -> None:
    results = read_results(folder.as_uri()).set_index(["home", "away"])
    closing = results[[f"closing odds_{name}" for name in ("p_home", "p_draw", "p_away")]]
    assert closing.loc[("Wolves", "Brentford")].tolist() == pytest.approx([0.5, 0.25, 0.25])
    assert closing.loc[("Leeds", "QPR")].tolist() == pytest.approx([0.25, 0.25, 0.5])
    assert closing.loc[("Sturm Graz", "Salzburg")].tolist() == pytest.approx([0.25, 0.25, 0.5])
    assert results["outcome"].tolist() == [0, 1, 2, 2]
