"""Which form a client likes best, as it says in `Accept`."""

import pytest

from serving.negotiation import preferred

JSON, CSV, HTML = "application/json", "text/csv", "text/html"


@pytest.mark.parametrize(
    ("accept", "best"),
    [
        *(("", JSON), ("*/*", JSON), ("application/*", JSON), ("text/*", CSV), ("text/csv", CSV), ("TEXT/CSV", CSV)),
        *(("application/json, text/csv;q=0.9", JSON), ("application/json;q=0.8, text/csv;q=0.9", CSV)),
        ("text/csv, application/json", CSV),  # as well the one as the other: the client's first
        ("*/*;q=0.5, text/csv;q=0.4", JSON),  # the closest range counts, not the greatest weight
        ("text/csv; header=present; q=0.5, */*;q=0.4", CSV),
        *(("text/csv;q=0, */*", JSON), ("text/csv;q=0", None), ("image/png", None), ("text/html", None)),
        # What cannot be read takes everything.
        *(("text/csv;q=inf", JSON), ("text/csv;q=abc", JSON), ("text/csv;q=2", JSON), ("text/csv;q=-1", JSON), ("csv", JSON)),
        *((",", JSON), (";", JSON), ("text/csv;q=", JSON), ("\xff/\xfe, text/csv", CSV)),
    ],
)
def test_the_closest_range_with_the_greatest_weight_decides(accept: str, best: str | None) -> None:
    assert preferred(accept, (JSON, CSV)) == best


def test_browsers_like_pages_best_and_programs_json() -> None:
    browser = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    assert preferred(browser, (JSON, HTML)) == HTML
    assert preferred("*/*", (JSON, HTML)) == JSON
