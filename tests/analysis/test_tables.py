"""Tables: one form for each, values only as masks and keyed hashes."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis import tables
from analysis.model import InputError, Secret


@given(st.text(min_size=1, max_size=200), st.sampled_from(["imei", "password", "email", "anything"]))
def test_a_mask_hides_at_least_three_quarters(value: str, kind: str) -> None:
    masked = tables.mask(Secret(value), kind)
    shown = [c for c in masked if c != "·"]
    assert len(shown) * 4 <= len(value)
    assert len(value) < 10 or masked != value


@pytest.mark.parametrize("kind", ["password", "otp", "messages", "session_token"])
def test_of_closed_types_nothing_is_shown(kind: str) -> None:
    assert set(tables.mask(Secret("abcdefghijklmnopqrstuvwxyz0123456789"), kind)) == {"·"}


def test_keys_match_values_and_need_the_key() -> None:
    one = tables.value_key(b"k1", "email", Secret("a@b.example"))
    assert one == tables.value_key(b"k1", "email", Secret("a@b.example"))
    assert one != tables.value_key(b"k2", "email", Secret("a@b.example"))
    assert one != tables.value_key(b"k1", "email", Secret("a@c.example"))
    assert len(one) == 32


def test_an_audit_is_written_and_read_the_same(tmp_path: Path) -> None:
    made = tables.empty()
    row = {"source": 0, "file": "a.har", "kind": "har", "sha256": "00", "bytes": 3, "leg": "phone"}
    made["sources"] = tables.TABLES["sources"].from_rows([row])
    tables.write(tmp_path, made, {"format": tables.FORMAT})
    first = {p.name: p.read_bytes() for p in tmp_path.iterdir()}
    again, about = tables.read(tmp_path)
    assert again == made
    assert about == {"format": tables.FORMAT}
    tables.write(tmp_path, again, about)
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == first


def test_a_column_that_is_not_declared_is_a_defect() -> None:
    with pytest.raises(KeyError, match="no column"):
        tables.TABLES["sources"].from_rows([{"colour": "blue"}])


def test_no_audit_another_format_and_a_torn_table_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is no audit"):
        tables.read(tmp_path)
    tables.write(tmp_path, tables.empty(), {"format": 99})
    with pytest.raises(InputError, match="format 99"):
        tables.read(tmp_path)
    tables.write(tmp_path, tables.empty(), {"format": tables.FORMAT})
    torn = tmp_path / "flows.parquet"
    torn.write_bytes(torn.read_bytes()[:20])
    with pytest.raises(InputError, match=r"flows\.parquet"):
        tables.read(tmp_path)


def test_every_column_says_what_it_means() -> None:
    for table in tables.TABLES.values():
        assert table.meaning
        assert all(c.meaning for c in table.columns)


def _keyed() -> tables.Tables:
    made = tables.empty()
    made["sources"] = tables.TABLES["sources"].from_rows([{"source": 0, "file": "a.har"}])
    made["flows"] = tables.TABLES["flows"].from_rows([{"flow": 0, "source": 0, "destination": 0}])
    made["destinations"] = tables.TABLES["destinations"].from_rows([{"destination": 0, "host": "a.example"}])
    return made


def test_a_table_of_other_types_is_refused(tmp_path: Path) -> None:
    made = _keyed()
    tables.write(tmp_path, made, {"format": tables.FORMAT})
    assert tables.read(tmp_path)[0] == made
    texts = made["flows"].set_column(0, "flow", pa.array(["0"]))
    pq.write_table(texts, tmp_path / "flows.parquet")
    with pytest.raises(InputError, match="has columns of another type"):
        tables.read(tmp_path)


@pytest.mark.parametrize(
    ("table", "row", "refused"),
    [
        ("readings", {"destination": 7}, "readings.parquet names a destination"),
        ("findings", {"destinations": [0, 7]}, "findings.parquet names a destination"),
        ("findings", {"transmissions": [0]}, "findings.parquet names a transmission"),
        ("destinations", {"destination": None}, "destinations.parquet names a destination"),
    ],
)
def test_a_key_that_names_no_row_is_refused(table: str, row: dict[str, object], refused: str, tmp_path: Path) -> None:
    made = _keyed()
    made[table] = pa.concat_tables([made[table], tables.TABLES[table].from_rows([row])])
    tables.write(tmp_path, made, {"format": tables.FORMAT})
    with pytest.raises(InputError, match=refused):
        tables.read(tmp_path)


@pytest.mark.parametrize(
    "changed",
    [{"stated_by_capture": 5}, {"manifest": {"app": 5}}, {"files": [{"file": None}]}, {"options": {"reveal": "no"}}],
)
def test_an_audit_json_of_other_types_is_refused(changed: dict[str, object], tmp_path: Path) -> None:
    tables.write(tmp_path, tables.empty(), {"format": tables.FORMAT, **changed})
    with pytest.raises(InputError, match=f"is not as an audit writes it .*{next(iter(changed))}"):
        tables.read(tmp_path)
