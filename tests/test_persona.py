"""Personas: read as written, named by type, and refused in one sentence that repeats no value."""

from __future__ import annotations

import contextlib
import os
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.model import InputError
from analysis.persona import MAX_BYTES, MAX_LENGTH, load_persona

ALIASES = {"nik": "national_id_nik", "mail": "email", "latitude": "gps_precise", "fullName": "full_name"}


def written(folder: Path, text: str | bytes) -> Path:
    path = folder / "persona.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(folder: Path, text: str | bytes) -> list[tuple[str, str, str]]:
    persona = load_persona(written(folder, text), ALIASES)
    return [(p.name, p.data_type, p.value.expose()) for p in persona.values]


def test_values_keep_their_text(tmp_path: Path) -> None:
    text = (
        "nik: 0074035205940003\nbirthday: 1994-05-12\nflag: yes\nnumber: 1_000.50\nmac: 3c:5a:b4:1e:7f:92\n"
        "hex: 0x1F\ntime: 12:30:45\nphone: +62 812-5550-1234\nspaces: ' x y z '\nblock: |\n  two\n  lines\n"
        "tagged: !!int 007\n"
    )
    assert [v for _, _, v in read(tmp_path, text)] == [
        "0074035205940003", "1994-05-12", "yes", "1_000.50", "3c:5a:b4:1e:7f:92", "0x1F", "12:30:45",
        "+62 812-5550-1234", " x y z ", "two\nlines", "007",
    ]  # fmt: skip


def test_names_are_types_aliases_or_their_own(tmp_path: Path) -> None:
    text = "NIK: '1'\ne-mail: a\nEmail: b\nMAIL: c\nfull_name: d\nlatitude: e\nNomor WA: f\n名前: g\n"
    found = load_persona(written(tmp_path, text), ALIASES)
    assert [(p.name, p.data_type, p.custom) for p in found.values] == [
        ("NIK", "national_id_nik", False),
        ("e-mail", "email", False),
        ("Email", "email", False),
        ("MAIL", "email", False),
        ("full_name", "full_name", False),
        ("latitude", "gps_precise", False),
        ("Nomor WA", "nomor_wa", True),
        ("名前", "名前", True),
    ]
    assert found.data_types() == {"national_id_nik", "email", "full_name", "gps_precise", "nomor_wa", "名前"}
    assert [p.line for p in found.values] == [1, 2, 3, 4, 5, 6, 7, 8]


@pytest.mark.parametrize("name", ["tari@example.org", "'081255501234'", "'!!!'", "''"])
def test_a_name_that_looks_like_a_value_is_not_repeated(tmp_path: Path, name: str) -> None:
    assert read(tmp_path, f"mail: a\n{name}: email\n")[1] == ("value_2", "value_2", "email")


def test_lists_doubles_and_empty_ones(tmp_path: Path) -> None:
    text = "mail: [a@example.org, b@example.org, a@example.org]\nmail: c@example.org\n"
    text += "nik:\nphone: ~\nx: ''\ny: 'null'\n"
    found = load_persona(written(tmp_path, text), ALIASES)
    assert [p.value.expose() for p in found.values] == [
        "a@example.org",
        "b@example.org",
        "c@example.org",
        "null",
    ]
    assert found.unset == ("national_id_nik", "phone", "x")


def test_byte_order_marks(tmp_path: Path) -> None:
    for codec in ("utf-8-sig", "utf-16"):
        assert read(tmp_path, "mail: é\n".encode(codec)) == [("mail", "email", "é")]


REFUSED = {
    "empty": b"",
    "only a comment": b"# nothing\n",
    "no value": b"mail:\nnik: ''\n",
    "a list": b"- secret-value\n- other\n",
    "a text": b"secret-value",
    "nested": b"mail: x\naddress: {street: secret-value}\n",
    "nested list": b"mail: [[secret-value]]\n",
    "mapping as a name": b"? [secret-value]\n: x\n",
    "syntax": b"mail: 'secret-value\nnik: 1\n",
    "colon": b"message: secret-value: more\n",
    "unknown anchor": b"mail: *secret-value\n",
    "itself": b"mail: &a [*a]\n",
    "two documents": b"mail: secret-value\n---\nmail: y\n",
    "control sign": b"mail: secret-value\x01\n",
    "binary": b"\x7fELF\x02\x01\x00\x00secret-value",
    "no UTF-8": b"mail: secret-value\xff\n",
    "cut UTF-16": b"\xff\xfem",
    "huge": b"mail: " + b"x" * MAX_BYTES,
    "long": b"mail: " + b"secret-value" * MAX_LENGTH,
    "many": b"mail: [" + b",".join(b"v%d" % i for i in range(3000)) + b"]",
    "deep": b"mail: " + b"[" * 5000,
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_refused_is_named_in_one_sentence(tmp_path: Path, case: str) -> None:
    path = written(tmp_path, REFUSED[case])
    with pytest.raises(InputError) as caught:
        load_persona(path, ALIASES)
    said = str(caught.value)
    assert str(path) in said
    assert "secret-value" not in said
    assert "\n" not in said
    assert said.endswith(".")
    assert caught.value.__cause__ is None


def test_a_syntax_error_tells_the_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="line 2"):
        load_persona(written(tmp_path, "mail: x\nmessage: a: b\n"), ALIASES)


def test_files_that_are_none(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "absent.yaml", tmp_path, tmp_path / "pipe", tmp_path / "a\0b"):
        with pytest.raises(InputError):
            load_persona(path, ALIASES)


def test_a_persona_travels_to_workers_and_never_shows_itself(tmp_path: Path) -> None:
    found = load_persona(written(tmp_path, "mail: secret-value\n"), ALIASES)
    assert pickle.loads(pickle.dumps(found)) == found
    assert "secret-value" not in repr(found)


@given(data=st.binary(max_size=200))
def test_no_file_raises_anything_else(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    path = written(tmp_path_factory.getbasetemp(), data)
    with contextlib.suppress(InputError):
        load_persona(path, ALIASES)
