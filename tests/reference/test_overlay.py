"""A user's own records laid over ours; and what is wrong with them is said, never thrown."""

from __future__ import annotations

import copy
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analysis.model import InputError
from analysis.reference import OVERLAYS, Reference, load

OPERATOR: dict[str, Any] = {
    "id": "warung",
    "name": "PT Warung Uji",
    "country_of_incorporation": "ID",
    "established_in": ["ID"],
    "parent": None,
    "ultimate_parent_country": "ID",
    "kind": ["app vendor"],
    "domain_suffixes": ["warung.example"],
    "domains_recalled": [],
    "asns": ["AS64500"],
    "asns_recalled": [],
    "ownership": [{"as_of": "2024-05", "owner": "Alibaba", "share": "half", "source": "own", "share_percent": 50.0}],
    "source": "own research",
    "confidence": "verified",
    "corporate_confidence": "verified",
}
ENDPOINT: dict[str, Any] = {
    "id": "warung-log",
    "operator": "warung",
    "host_pattern": r"(^|\.)warung\.example$",
    "path_pattern": "^/log",
    "source": "own research",
    "confidence": "verified",
    "fields": [{"id": "warung-log.01", "where": "json", "field": "a", "data_type": "email", "confidence": "verified"}],
}
APP: dict[str, Any] = {
    "id": "warung",
    "name": "Warung",
    "category": "shop",
    "operator": "warung",
    "operator_confidence": "verified",
    "android": ["example.warung"],
    "markets": ["ID"],
    "domains": ["warung.example"],
    "source": "own research",
    "confidence": "verified",
    "as_of": "2026-01-01",
}
FILES: dict[str, dict[str, Any]] = {
    "operators": {"schema": "lintas.reference/operators/1", "as_of": "2026-01-01", "operators": [OPERATOR]},
    "endpoints": {"schema": "lintas.reference/endpoints/1", "as_of": "2026-01-01", "endpoints": [ENDPOINT]},
    "apps": {"schema": "lintas.reference/apps/1", "as_of": "2026-01-01", "apps": [APP]},
}


def laid(folder: Path, **files: Any) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        raw = content if isinstance(content, bytes) else yaml.safe_dump(content, sort_keys=False).encode()
        (folder / f"{name}.yaml").write_bytes(raw)
    return folder


def changed(file: str, /, **fields: Any) -> dict[str, Any]:
    """A file with its one record's fields changed."""
    made = copy.deepcopy(FILES[file])
    made[file][0] |= fields
    return made


def refusal(folder: Path) -> str:
    with pytest.raises(InputError) as caught:
        Reference.load(folder)
    told = str(caught.value)
    assert "\n" not in told
    assert "Traceback" not in told
    return told


def test_a_users_records_stand_beside_ours_and_are_told(tmp_path: Path) -> None:
    reference = Reference.load(laid(tmp_path, **FILES))
    found = reference.operator_by_host("api.warung.example")
    assert found is not None
    assert found.operator.id == "warung"
    by_number = reference.operator_by_asn(64500)
    assert by_number is not None
    assert by_number.operator.id == "warung"
    assert [e.id for e in reference.endpoints_for("x.warung.example", "/log")] == ["warung-log"]
    assert reference.endpoint_field_verified("warung-log.01")
    assert reference.vendor_of("example.warung", "android", None) == ("warung", ["warung.example"])
    assert len(reference.operators) == len(Reference.load().operators) + 1
    assert sorted(reference.overlays) == [f"{n}.yaml: 1 records of the user's own" for n in sorted(OVERLAYS)]


def test_a_record_of_our_id_stands_in_place_of_ours_and_that_is_told(tmp_path: Path) -> None:
    reference = Reference.load(laid(tmp_path, operators=changed("operators", id="grab", name="Other")))
    assert reference.operators["grab"].name == "Other"
    assert len(reference.operators) == len(Reference.load().operators)
    assert reference.operator_by_host("grab.com") is None
    assert reference.overlays == ["operators.yaml: 1 records of the user's own, in place of ours: grab"]


def test_a_name_that_ours_has_is_the_users_and_that_is_told(tmp_path: Path) -> None:
    theirs = changed("operators", domain_suffixes=["Facebook.com"], asns=["AS15169"])
    theirs["operators"].append(
        changed("operators", id="aliyun", domain_suffixes=["fastly.net"], asns=[])["operators"][0]
    )
    reference = Reference.load(laid(tmp_path, operators=theirs))
    for host, owner in (("graph.facebook.com", "warung"), ("a.fastly.net", "aliyun")):
        found = reference.operator_by_host(host)
        assert found is not None
        assert found.operator.id == owner
    by_number = reference.operator_by_asn(15169)
    assert by_number is not None
    assert by_number.operator.id == "warung"
    (told,) = reference.overlays
    assert told.startswith("operators.yaml: 2 records of the user's own, in place of ours: aliyun, ")
    assert told.endswith("taken from others of ours: as15169, facebook.com, fastly.net")


def test_later_folders_lie_over_earlier_ones(tmp_path: Path) -> None:
    first = laid(tmp_path / "first", operators=changed("operators", name="First"))
    second = laid(tmp_path / "second", operators=changed("operators", name="Second"))
    assert Reference.load([first, second]).operators["warung"].name == "Second"
    assert Reference.load([second, first]).operators["warung"].name == "First"


def test_a_days_text_may_stand_without_quotation_marks(tmp_path: Path) -> None:
    raw = yaml.safe_dump(changed("operators", parent="goto", parent_since="2026-02-03")).replace("'", "")
    reference = Reference.load(laid(tmp_path, operators=raw.encode()))
    assert reference.operators["warung"].parent_since == "2026-02-03"


def test_a_recalled_domain_stays_recalled_in_any_case(tmp_path: Path) -> None:
    theirs = changed("operators", domain_suffixes=["Warung.Example"], domains_recalled=["Warung.Example"])
    found = Reference.load(laid(tmp_path, operators=theirs)).operator_by_host("a.warung.example")
    assert found is not None
    assert found.confidence == "recalled"


def test_a_folder_without_reference_data_is_refused(tmp_path: Path) -> None:
    for place in (tmp_path, tmp_path / "nowhere", laid(tmp_path / "other", regimes=b"x")):
        assert str(place) in refusal(place)


@pytest.mark.parametrize(
    ("name", "fields", "says"),
    [
        ("operators", {"colour": "red"}, "colour"),
        ("operators", {"country_of_incorporation": "XX"}, "'XX'"),
        ("operators", {"established_in": ["Indonesia"]}, "'Indonesia'"),
        ("operators", {"ultimate_parent_country": "UK"}, "'UK'"),
        ("operators", {"parent": "nobody"}, "'nobody'"),
        ("operators", {"parent_before": "nobody"}, "'nobody'"),
        ("operators", {"parent_since": "2026-13-01"}, "'2026-13-01'"),
        ("operators", {"parent_since": "2026-02"}, "'2026-02'"),
        ("operators", {"asns": ["64500"]}, "'64500'"),
        ("operators", {"domain_suffixes": ["*.warung.example"]}, "'*.warung.example'"),
        ("operators", {"domain_suffixes": ["https://warung.example"]}, "'https://warung.example'"),
        ("operators", {"ownership": [OPERATOR["ownership"][0] | {"as_of": "soon"}]}, "'soon'"),
        ("operators", {"ownership": [OPERATOR["ownership"][0] | {"share_percent": 101.0}]}, "101"),
        ("operators", {"confidence": "certain"}, "confidence"),
        ("operators", {"kind": ["cdn"]}, "'cdn'"),
        ("operators", {"ownership": [OPERATOR["ownership"][0] | {"confidence": "certain"}]}, "'certain'"),
        ("operators", {"country_of_incorporation": False}, "country_of_incorporation"),
        ("endpoints", {"operator": "nobody"}, "'nobody'"),
        ("endpoints", {"host_pattern": "(open"}, "'(open'"),
        ("endpoints", {"path_pattern": "*"}, "'*'"),
        ("endpoints", {"fields": [ENDPOINT["fields"][0] | {"data_type": "aura"}]}, "'aura'"),
        ("apps", {"operator": "nobody"}, "'nobody'"),
        ("apps", {"operator_confidence": "certain"}, "'certain'"),
        ("apps", {"android": 7}, "android"),
    ],
)
def test_what_does_not_fit_is_told_with_file_and_record(
    tmp_path: Path, name: str, fields: dict[str, Any], says: str
) -> None:
    files = FILES | {name: changed(name, **fields)}
    told = refusal(laid(tmp_path, **files))
    assert str(tmp_path / f"{name}.yaml") in told
    record = fields["fields"][0]["id"] if "fields" in fields else FILES[name][name][0]["id"]
    assert repr(record) in told
    assert says in told


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"[" * 100_000,
        b"{a: " * 5_000,
        b"a: &a [*a]",
        b"\xff\xfe\x00\xd8",
        b"\x00",
        b"!!int ''",
        b"!!bool maybe",
        b"!!timestamp soon",
        b"- !!python/object/apply:os.getcwd []",
        b"? [1]\n: 2",
        b"schema: a\nas_of: soon\noperators: []\n",
        b"schema: a\nas_of: '2026-02-30'\noperators: []\n",
        b"schema: a\nas_of: b\noperators: {}\n",
        b"schema: a\nas_of: b\noperators: [1, null, [], {}]\n",
        b"a: 1\na: 2: 3",
        b"x0: &x0 [1,1,1,1,1,1,1,1,1,1]\n"
        + b"".join(b"x%d: &x%d [%s]\n" % (n, n, b",".join([b"*x%d" % (n - 1)] * 10)) for n in range(1, 12)),
    ],
    ids=range(17),
)
def test_what_is_no_reference_file_is_refused_in_a_sentence(tmp_path: Path, raw: bytes) -> None:
    assert str(tmp_path / "operators.yaml") in refusal(laid(tmp_path, operators=raw))


def test_a_file_over_the_limit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "MOST_OCTETS", 1_000_000)
    assert "1 MB" in refusal(laid(tmp_path, operators=b"#" * 1_000_001))


def test_a_folder_in_place_of_a_file_is_no_file(tmp_path: Path) -> None:
    (tmp_path / "operators.yaml").mkdir()
    refusal(tmp_path)


LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=12),
    st.sampled_from(["US", "2026-01-01", "", "AS1", "(", "grab", "warung", "https://x", "9999-99-99"]),
    st.lists(st.text(max_size=3), max_size=2),
    st.dictionaries(st.text(max_size=3), st.none(), max_size=2),
)


@st.composite
def mutated(draw: st.DrawFn) -> tuple[str, bytes]:
    """A file with some values replaced, added or removed, and perhaps some of its octets too."""
    name = draw(st.sampled_from(sorted(FILES)))
    content = copy.deepcopy(FILES[name])
    for _ in range(draw(st.integers(1, 3))):
        place: Any = content
        while True:
            keys: list[Any] = list(place) if isinstance(place, dict) else list(range(len(place)))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if isinstance(place[key], dict | list) and draw(st.booleans()):
                place = place[key]
                continue
            if draw(st.booleans()):
                place[key] = draw(LEAVES)
            else:
                del place[key]
            break
    raw = bytearray(yaml.safe_dump(content, sort_keys=False, allow_unicode=True).encode("utf-8", "replace"))
    for _ in range(draw(st.integers(0, 2))):
        raw[draw(st.integers(0, len(raw) - 1))] = draw(st.integers(0, 255))
    return name, bytes(raw)


@pytest.mark.slow
@given(mutated())
@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
def test_whatever_a_file_holds_it_is_used_or_refused(tmp_path: Path, made: tuple[str, bytes]) -> None:
    name, raw = made
    folder = laid(tmp_path, **FILES | {name: raw})
    try:
        reference = Reference.load(folder)
    except InputError as error:
        told = str(error)
    else:
        told = ""
        # What was taken can be asked for.
        reference.operator_by_host("a.warung.example")
        reference.operator_by_asn(64500)
        reference.endpoints_for("a.warung.example", "/log")
        reference.vendor_of("example.warung", "android", None)
        for operator in reference.operators:
            reference.ownership_chain(operator, date(2024, 6, 1))
    assert "\n" not in told


def test_a_place_of_a_field_that_nothing_reads_is_refused(tmp_path: Path) -> None:
    fields = [ENDPOINT["fields"][0] | {"where": "body"}]
    told = refusal(laid(tmp_path, **FILES | {"endpoints": changed("endpoints", fields=fields)}))
    assert "'body'" in told
    assert "'warung-log'" in told
