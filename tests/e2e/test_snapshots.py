"""Real files as they were at three times: what came first must leave no trace in what is true at last."""

import shutil
from collections.abc import Callable
from pathlib import Path

from tests.e2e.conftest import Platform, mirror_at

MakePlatform = Callable[..., Platform]


def test_earlier_states_of_real_files_first_and_the_final_ones_after_give_the_same_gold_tables(
    corpus: Path, make_platform: MakePlatform, tmp_path: Path
) -> None:
    site = corpus / "football-data"
    earlier = [site / "snapshots" / day for day in ("2017-04", "2018-09")]
    for name in {path.relative_to(state) for state in earlier for path in state.rglob("*.csv")}:
        if (site / name).exists():
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(site / name, tmp_path / name)

    in_steps, at_once = make_platform("steps"), make_platform("atonce")
    for state in (*earlier, tmp_path):
        in_steps.must_run("build", "--no-train", **mirror_at(state.as_uri()))
    at_once.must_run("build", "--no-train", **mirror_at(tmp_path.as_uri()))

    tables = in_steps.content(("gold",))
    assert tables == at_once.content(("gold",))
    assert tables["gold.fct_match"][0] > 30_000
    # What differs between the states is there as versions: results that came, and the one price that was revised.
    ((n_versions,),) = in_steps.query("select count(*) from bronze.source_file where version > 1")
    assert n_versions >= 40
    revised = in_steps.query(
        """
        select cells ->> 'PSCH' from bronze.football_data_match
        where key = 'mmz4281/1617/SP1.csv' and cells ->> 'HomeTeam' = 'Osasuna' and cells ->> 'Date' = '18/09/16' order by since_version
        """
    )
    assert revised == [("2.5",), ("3.5",)]
