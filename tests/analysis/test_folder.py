"""A capture folder: what its manifest says in one form, and what it cannot say."""

from __future__ import annotations

from pathlib import Path

import pytest

from analysis.folder import country_code, open_capture, read_manifest
from analysis.model import InputError


@pytest.mark.parametrize(
    ("text", "code"), [("ID", "ID"), ("id", "ID"), (" sg ", "SG"), ("UK", "GB"), ("uk", "GB"), ("EL", "GR")]
)
def test_a_country_has_one_form(text: str, code: str) -> None:
    assert country_code(text, "here") == code


@pytest.mark.parametrize("text", ["", "I", "IDN", "Indonesia", "1D", "ÏD", "I D"])
def test_what_is_no_country_code(text: str) -> None:
    with pytest.raises(InputError, match=r"here: .* is no country code"):
        country_code(text, "here")


def test_a_manifest_names_the_users_country_as_tables_do(tmp_path: Path) -> None:
    """A finding about the user's own state is left out by this code: written otherwise it would be made."""
    (tmp_path / "capture.yaml").write_text("format: 1\nuser_country: uk\nvantage: {country: id}\n")
    made = read_manifest(tmp_path / "capture.yaml")
    assert (made.user_country, made.vantage.country) == ("GB", "ID")


def test_files_that_the_manifest_does_not_name_are_a_loss(tmp_path: Path) -> None:
    (tmp_path / "capture.yaml").write_text("format: 1\nfiles: [{name: a.har}, {name: gone.har}]\n")
    for name in ("a.har", "b.har", "readme.md", ".hidden"):
        (tmp_path / name).write_text("x")
    found = open_capture(tmp_path)
    assert [f.name for f in found.files] == ["a.har"]
    assert {(x.source, x.kind) for x in found.losses} == {("gone.har", "file_missing"), ("b.har", "file_not_named")}
