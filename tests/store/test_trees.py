"""Trees on disk: what a later run finds is what an earlier one has grown."""

import os
import time
from pathlib import Path

import lightgbm
import numpy as np
import pytest

from pipelines.store.trees import KEPT_SECONDS, TreesOnDisk

VALUES = np.random.default_rng(3).normal(size=(400, 3))


@pytest.fixture(scope="module")
def grown() -> lightgbm.Booster:
    data = lightgbm.Dataset(VALUES, VALUES[:, 0] / 3.0 + np.sin(VALUES[:, 1]))
    return lightgbm.train({"verbose": -1, "num_threads": 1}, data, num_boost_round=30)


def test_what_is_read_again_predicts_the_same_to_the_last_bit(tmp_path: Path, grown: lightgbm.Booster) -> None:
    TreesOnDisk(tmp_path / "trees")["a"] = grown
    found = TreesOnDisk(tmp_path / "trees")
    assert "a" in found
    np.testing.assert_array_equal(found["a"].predict(VALUES), grown.predict(VALUES))


def test_what_was_never_grown_is_missed_as_in_any_mapping(tmp_path: Path, grown: lightgbm.Booster) -> None:
    trees = TreesOnDisk(tmp_path / "trees")
    assert "a" not in trees
    assert list(trees) == []
    with pytest.raises(KeyError):
        trees["a"]
    trees["a"] = grown
    assert list(trees) == ["a"]
    del trees["a"]
    assert len(trees) == 0
    with pytest.raises(KeyError):
        del trees["a"]


def test_a_training_leaves_behind_only_what_it_used_itself(tmp_path: Path, grown: lightgbm.Booster) -> None:
    earlier = TreesOnDisk(tmp_path)
    earlier["closed season"] = earlier["old recipe"] = grown
    (tmp_path / "closed season.123").write_text("cut short", encoding="utf-8")
    for path in tmp_path.iterdir():
        os.utime(path, (time.time() - 2 * KEPT_SECONDS,) * 2)
    (tmp_path / "of a backtest that is going on.txt").write_text("just written", encoding="utf-8")
    later = TreesOnDisk(tmp_path)
    assert later["closed season"].num_trees() == 30
    later["new season"] = grown
    later.forget_unused()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "closed season.txt",
        "new season.txt",
        "of a backtest that is going on.txt",
    ]


def test_a_file_that_was_cut_short_is_grown_again(tmp_path: Path, grown: lightgbm.Booster) -> None:
    TreesOnDisk(tmp_path)["a"] = grown
    text = (tmp_path / "a.txt").read_text(encoding="utf-8")
    (tmp_path / "a.txt").write_text(text[:200], encoding="utf-8")
    later = TreesOnDisk(tmp_path)
    with pytest.raises(KeyError):
        later["a"]
    assert "a" not in later
