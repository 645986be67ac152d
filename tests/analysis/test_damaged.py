"""An audit folder that somebody damaged: one sentence and code 2 from whatever reads it, no traceback."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from analysis.audit import AuditOptions, audit
from analysis.folder import country_code
from analysis.model import InputError
from lintas.cli import app
from tests.lintas.command import write_har

ANY: Any = st.one_of(
    st.none(), st.booleans(), st.integers(-(2**70), 2**70), st.floats(), st.text(), st.just([]), st.just({}),
    st.just([{"file": 1}]), st.just({"name": [1e400]}),
)  # fmt: skip


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("whole")
    audit(write_har(place / "shop.har"), place / "out", AuditOptions(workers=1))
    return place / "out"


def _refused(folder: Path) -> None:
    for words in (["report", str(folder)], ["show", str(folder), "shop.har#0!file:0+4"]):
        done = CliRunner().invoke(app, words)
        assert done.exit_code == 2, (words, done.output, done.exception)
        assert isinstance(done.exception, SystemExit)
        assert done.output.startswith("lintas: ")
        assert "defect" not in done.output
        assert done.output.count("\n") == 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_each_key_of_another_type_is_told_or_makes_no_difference(
    whole: Path, tmp_path: Path, data: st.DataObject
) -> None:
    shutil.copytree(whole, tmp_path / "out", dirs_exist_ok=True)
    about = json.loads((whole / "audit.json").read_text())
    key = data.draw(st.sampled_from(sorted(about)))
    if data.draw(st.booleans()):
        del about[key]
    else:
        about[key] = data.draw(ANY)
    (tmp_path / "out" / "audit.json").write_text(json.dumps(about))
    done = CliRunner().invoke(app, ["report", str(tmp_path / "out")])
    assert done.exit_code in (0, 2), (key, done.output, done.exception)
    assert "defect" not in done.output


@pytest.mark.parametrize("text", ["", "{", "[]", "null", "[" * 100_000, '{"format": 1e999}', "\x00", '{"format": "1"}'])
def test_a_text_that_is_no_audit_is_told(tmp_path: Path, text: str) -> None:
    (tmp_path / "audit.json").write_text(text)
    _refused(tmp_path)


@pytest.mark.parametrize("name", ["sources", "transmissions", "flows", "losses"])
@pytest.mark.parametrize("how", ["cut", "empty", "noise", "swapped", "typed", "lacking", "gone"])
def test_a_damaged_table_is_told(whole: Path, tmp_path: Path, name: str, how: str) -> None:
    folder = tmp_path / "out"
    shutil.copytree(whole, folder)
    place = folder / f"{name}.parquet"
    table, raw = pq.read_table(place), place.read_bytes()
    first = table.column_names[0]
    if how == "swapped":
        other = next(n for n in table.column_names if table.schema.field(n).type != table.schema.field(first).type)
        pq.write_table(table.rename_columns({first: other, other: first}), place)
    elif how == "typed":
        pq.write_table(table.set_column(0, first, pa.array(["x"] * table.num_rows, pa.string())), place)
    elif how == "lacking":
        pq.write_table(table.drop_columns([first]), place)
    elif how == "gone":
        place.unlink()
    else:
        place.write_bytes({"cut": raw[: len(raw) // 2], "empty": b"", "noise": bytes(range(256)) * 8}[how])
    _refused(folder)


def test_the_whole_one_is_read(whole: Path, tmp_path: Path) -> None:
    assert CliRunner().invoke(app, ["report", str(whole), "--out", str(tmp_path / "r.html")]).exit_code == 0


def test_what_a_killed_recording_left_empty_is_no_loss(tmp_path: Path) -> None:
    """The journal is made when the recording begins, and empty until there is a message of its kind."""
    from analysis.audit import run

    write_har(tmp_path / "shop.har")
    for name in ("messages.jsonl", "events.jsonl", "flows.mitm"):
        (tmp_path / name).touch()
    made, _ = run(tmp_path, AuditOptions(workers=1))
    assert "file_not_read" not in made["losses"]["kind"].to_pylist()
    assert dict(zip(*(made["sources"][n].to_pylist() for n in ("file", "kind")), strict=True)) == {
        "events.jsonl": "events",
        "flows.mitm": "mitmproxy",
        "messages.jsonl": "messages",
        "shop.har": "har",
    }
    (tmp_path / "shop.har").unlink()
    with pytest.raises(InputError, match="it is empty"):
        run(tmp_path, AuditOptions(workers=1))


@pytest.mark.parametrize(
    ("text", "code"),
    [("id", "ID"), (" Indonesia ", "ID"), ("uk", "GB"), ("united  KINGDOM", "GB"), ("Jerman", "DE"), ("Georgia", "GE")],
)
def test_a_country_is_read_by_letters_or_name(text: str, code: str) -> None:
    assert country_code(text, "--user-country") == code


@pytest.mark.parametrize("text", ["", "IDN", "Insulinde", "European Union", "Unknown Region", "12", "Korea"])
def test_what_is_no_one_country_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="two letters of ISO 3166"):
        country_code(text, "--user-country")
