"""Every encoding, line end and byte-order mark that files were seen with."""

import pytest

from pipelines.sources.lines import read_lines, split_cells

KOLN = "Köln,Nürnberg"


@pytest.mark.parametrize(
    ("content", "encoding"),
    [
        pytest.param(f"a\r\n{KOLN}\r\n".encode("cp1252"), "cp1252", id="as the site writes it"),
        pytest.param(f"a\n{KOLN}\n".encode("cp1252"), "cp1252", id="line ends normalised"),
        pytest.param(f"a\r\n{KOLN}\r\n".encode(), "utf-8", id="utf-8"),
        pytest.param(f"\ufeffa\r\n{KOLN}\r\n".encode(), "utf-8-sig", id="byte-order mark"),
        pytest.param(f"\ufeffa\r\r\n{KOLN}\r\r\n".encode().decode("latin-1").encode(), "utf-8-sig", id="mark encoded twice"),
        pytest.param(
            f"a\r\r\n{KOLN}\r\r\n".encode("cp1252").decode("latin-1").encode("utf-8"),
            "cp1252 read as latin-1 and written as utf-8",
            id="a mirror's CR CR LF",
        ),
    ],
)
def test_the_same_text_comes_out_however_it_was_encoded(content: bytes, encoding: str) -> None:
    lines = read_lines(content)
    assert lines.complete == ["a", KOLN]
    assert (lines.cut, lines.n_lines, lines.encoding) == (None, 2, encoding)


def test_a_cp1252_apostrophe_that_became_a_control_character_becomes_an_apostrophe_again() -> None:
    assert read_lines("King\x92s Lynn\n".encode()).complete == ["King’s Lynn"]
    assert read_lines(b"King\x92s Lynn\n").complete == ["King’s Lynn"]


def test_a_byte_without_meaning_is_marked_and_garbles_nothing_else() -> None:
    assert read_lines("Köln\n".encode() + b"a\x81b\n").complete == ["Köln", "a\N{REPLACEMENT CHARACTER}b"]


def test_one_line_in_another_encoding_leaves_the_others_alone() -> None:
    lines = read_lines("Köln\n".encode() + "Köln\n".encode("cp1252"))
    assert (lines.complete, lines.encoding) == (["Köln", "Köln"], "cp1252 and utf-8")


def test_what_follows_the_last_line_end_is_kept_apart() -> None:
    lines = read_lines(b"a\r\nb\r\nhal")
    assert (lines.complete, lines.cut, lines.n_lines) == (["a", "b"], "hal", 3)


def test_a_cut_inside_a_character_leaves_the_other_lines_in_their_encoding() -> None:
    lines = read_lines("Köln\nNürnberg\n".encode()[:-8])
    assert lines.complete == ["Köln"]
    assert lines.cut is not None


def test_quoted_cells_may_hold_commas() -> None:
    assert split_cells('E0,"Elleray, D. R.",2') == ["E0", "Elleray, D. R.", "2"]


@pytest.mark.parametrize("line", ['E0,"Elleray,2', 'E0,"a"b,2', '"' + "x" * 200_000 + '"'])
def test_quotation_marks_that_do_not_pair_are_an_error(line: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        split_cells(line)
