"""A capture folder: what its manifest says in one form, and what it cannot say."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from analysis.folder import country_code, open_capture, own_persona, read_manifest
from analysis.model import InputError


@pytest.mark.parametrize(
    ("text", "code"), [("ID", "ID"), ("id", "ID"), (" sg ", "SG"), ("UK", "GB"), ("uk", "GB"), ("EL", "GR")]
)
def test_a_country_has_one_form(text: str, code: str) -> None:
    assert country_code(text, "here") == code


@pytest.mark.parametrize("text", ["", "I", "IDN", "Insulinde", "1D", "ÏD", "I D"])
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


def _folder(folder: Path, manifest: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "a.har").write_text("x")
    (folder / "capture.yaml").write_text(manifest, encoding="utf-8")
    return folder


def _bomb() -> str:
    levels = [f"x{n}: &a{n} [{','.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    return "\n".join(["x0: &a0 [lol, lol]", *levels, "format: *a8\n"])


@pytest.mark.parametrize(
    ("manifest", "why"),
    [
        (_bomb(), "repeats a list or mapping by an alias"),
        ("m: &m {k: v}\nn: &n {<<: [*m, *m]}\nformat: 1\n", "repeats a list or mapping by an alias"),
        ("format: 1\nname: " + "[" * 200_000, "nested deeper"),
        ("format: 0x" + "f" * 1_000_000, "text of more than"),
        ("format: 0x" + "f" * 50_000, "no format that is known"),
        ("format: " + "9" * 50_000, "no YAML"),
        ('format: 1\nfiles: [{name: "a\\0.har"}]\n', "outside of the capture folder"),
        ("format: 1\nfiles: [{name: ../b.har}]\n", "outside of the capture folder"),
        ("format: 1\nfiles: [{name: .private/k.mitm}]\n", "never read"),
    ],
    ids=lambda text: text[:20].split("\n")[0],
)
def test_a_hostile_manifest_is_refused_in_a_sentence(tmp_path: Path, manifest: str, why: str) -> None:
    with pytest.raises(InputError, match=why) as refused:
        open_capture(_folder(tmp_path / "c", manifest))
    assert len(str(refused.value)) < 400 + len(str(tmp_path))


def test_an_alias_of_one_text_is_what_a_writer_of_yaml_may_write(tmp_path: Path) -> None:
    when = "2026-11-24T10:00:00Z"
    made = _folder(tmp_path / "c", f"format: 1\nstarted: &t {when}\nsealed: *t\ndate: 2026-11-24\n")
    found = open_capture(made).manifest
    assert found.started == found.sealed is not None
    assert found.date == "2026-11-24"


def test_a_file_that_is_named_twice_is_read_once(tmp_path: Path) -> None:
    names = ("a.har", "a.har", "./a.har", "b" * 300, "c/" * 3000 + "x")
    files = "".join(f"- name: {name}\n" for name in names)
    found = open_capture(_folder(tmp_path / "c", f"format: 1\nfiles:\n{files}"))
    assert [f.name for f in found.files] == ["a.har"]
    assert [x.kind for x in found.losses] == ["file_repeated"] * 2 + ["file_missing"] * 2


@pytest.mark.parametrize(
    "manifest",
    [
        *("'rahma {0}': 1", "app: {{'{0}@x.example': 1}}", "device: {{'\\e[2J{0}': 1}}", "'x` - at `$.{0}': 1"),
        *("app: {{platform: 'my {0}'}}", "user_country: '{0} x'", "timezone: '{0} x'", "persona: '../{0} x'"),
        *("files: [{{name: '../{0} x'}}]", "files: [{{name: '.private/{0}'}}]", "date: [{0}]"),
    ],
)
def test_a_manifest_that_does_not_fit_is_not_quoted(tmp_path: Path, manifest: str) -> None:
    """What stands there may be somebody's name, or what a terminal obeys: the place is told, and words of ours."""
    made = _folder(tmp_path / "c", "format: 1\n" + manifest.format("kusumaningrum") + "\n")
    try:
        capture = open_capture(made)
        own_persona(capture)
        told = [loss.where for loss in capture.losses if loss.kind == "manifest_unread"]
    except InputError as error:
        told = [str(error)]
    assert told
    for text in told:
        assert "kusumaningrum" not in text
        assert text.isprintable()


def test_a_key_that_is_a_word_is_named(tmp_path: Path) -> None:
    capture = open_capture(_folder(tmp_path / "c", "format: 1\ndivice: {}\n"))
    assert [loss.where for loss in capture.losses] == ["divice: no such field is known"]


@pytest.mark.parametrize("manifest", [None, "format: 1\n"])
def test_a_link_out_of_the_folder_is_not_read_and_a_loss(tmp_path: Path, manifest: str | None) -> None:
    (tmp_path / "secret.mitm").write_text("x")
    (tmp_path / "reference").mkdir()
    made = _folder(tmp_path / "c", manifest or "")
    if manifest is None:
        (made / "capture.yaml").unlink()
    (made / "z.mitm").symlink_to(tmp_path / "secret.mitm")
    (made / "reference").symlink_to(tmp_path / "reference")
    (made / "b.har").symlink_to("a.har")
    found = open_capture(made)
    assert [f.name for f in found.files] == ["a.har", "b.har"]
    assert found.reference is None
    assert [(x.source, x.kind) for x in found.losses] == [("reference", "file_outside"), ("z.mitm", "file_outside")]


def test_a_manifest_that_is_no_file_is_refused_at_once(tmp_path: Path) -> None:
    made = _folder(tmp_path / "c", "")
    (made / "capture.yaml").unlink()
    os.mkfifo(made / "capture.yaml")
    with pytest.raises(InputError, match="no regular file"):
        open_capture(made)
    (made / "capture.yaml").unlink()
    (made / "capture.yaml").symlink_to(_folder(tmp_path / "other", "format: 1\n") / "capture.yaml")
    with pytest.raises(InputError, match="leads out of the capture folder"):
        open_capture(made)


@pytest.mark.parametrize(
    ("named", "taken"),
    [
        ("p.yaml", True),
        ("../personas/p.yaml", True),
        ("../outside.yaml", False),
        ("/etc/passwd", False),
        ('"a\\0b"', False),
        ("link.yaml", False),
        ("../personas/../outside.yaml", False),
    ],
)
def test_a_persona_is_the_folders_own_or_one_that_captures_share(tmp_path: Path, named: str, taken: bool) -> None:
    made = _folder(tmp_path / "c", f"format: 1\npersona: {named}\n")
    (tmp_path / "personas").mkdir()
    for place in (made / "p.yaml", tmp_path / "personas" / "p.yaml", tmp_path / "outside.yaml"):
        place.write_text("email: a@b.example\n")
    (made / "link.yaml").symlink_to(tmp_path / "outside.yaml")
    found = open_capture(made)
    if taken:
        assert own_persona(found) is not None
    else:
        with pytest.raises(InputError, match="outside of the capture folder"):
            own_persona(found)
