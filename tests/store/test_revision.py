"""Where the code is on the web, by what git fetches it from."""

import re

import pytest

from pipelines.store.revision import web_address
from tests.defs.openlineage_forms import URI


@pytest.mark.parametrize(
    ("origin", "address"),
    [
        ("https://h.example/o/r.git", "https://h.example/o/r"),
        ("https://h.example/o/r/", "https://h.example/o/r"),
        ("http://h.example:3000/o/r.git/", "http://h.example:3000/o/r"),
        ("https://me:p@ss@h.example/o/r", "https://h.example/o/r"),
        ("https://h.example:8443/o/r", "https://h.example:8443/o/r"),
        ("ssh://git@h.example:2222/o/r.git", "https://h.example/o/r"),
        ("ssh://h.example/o/r", "https://h.example/o/r"),
        ("git@h.example:o/r.git", "https://h.example/o/r"),
        ("git@h.example:/o/r", "https://h.example/o/r"),
        ("git@h.example:o/a b|\u00fc", "https://h.example/o/a%20b%7C%C3%BC"),
        ("https://h.example/o/a b", "https://h.example/o/a%20b"),
        ("https://h.example/o/a%20b", "https://h.example/o/a%20b"),
        ("https://h.example/o/100%#?", "https://h.example/o/100%25%23%3F"),
    ],
)
def test_an_origin_is_an_address_that_others_can_read(origin: str, address: str) -> None:
    assert web_address(origin) == address
    assert re.search(URI["pattern"], address)


@pytest.mark.parametrize(
    "origin", ["", "/srv/r.git", "../r", "file:///srv/r", "https://h.example/", "https://[::1]/o/r", "https://h h/r"]
)
def test_an_origin_that_names_no_host_has_no_address(origin: str) -> None:
    assert web_address(origin) is None
