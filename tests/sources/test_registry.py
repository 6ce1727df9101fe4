"""Sources are made from the settings, by name."""

import dataclasses
from pathlib import Path

import pytest

from pipelines.settings import Settings
from pipelines.sources.registry import SOURCES, open_sources


def settings(tmp_path: Path, *sources: str) -> Settings:
    return dataclasses.replace(Settings.read({"STATE_DIR": str(tmp_path)}), sources=sources)


def test_sources_come_in_the_order_in_which_they_are_named(tmp_path: Path) -> None:
    opened = open_sources(settings(tmp_path, "inbox", "football_data", "openfootball"))
    assert [(name, source.name) for name, source in opened.items()] == [
        ("inbox", "inbox"),
        ("football_data", "football_data"),
        ("openfootball", "openfootball"),
    ]


def test_a_name_that_is_no_source_is_refused_with_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=f"SOURCES names betting_tips; there are {', '.join(SOURCES)}"):
        open_sources(settings(tmp_path, "football_data", "betting_tips"))
