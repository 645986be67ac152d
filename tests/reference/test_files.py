"""Our own files: each fits its schema, and what a record names is there."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from datetime import date
from typing import Any

import msgspec
import pytest

from analysis.reference import Reference, check, load, schema
from analysis.reference.sources import DATA, GEO_FILES, RANGE_FILES, SHAPE_FILES, data_files

HERE = load.HERE
CORRECT = "run `python scripts/build_reference_data.py --only compiled` and commit what it wrote"


@pytest.fixture(scope="module")
def reference() -> Reference:
    return Reference.load()


def content(name: str) -> Any:
    return load.read(name)[0]


@pytest.mark.parametrize("name", schema.FILES)
def test_a_file_fits_its_schema_and_its_names_are_there(name: str, reference: Reference) -> None:
    place = HERE / f"{name}.yaml"
    read = load.parse(name, place.read_bytes(), place)
    check(name, read, reference, place)
    assert date.fromisoformat(read.as_of)


@pytest.mark.parametrize("name", schema.FILES)
def test_the_compiled_copy_is_the_yaml(name: str) -> None:
    raw = (HERE / f"{name}.yaml").read_bytes()
    copy = msgspec.json.decode((load.COMPILED / f"{name}.json").read_bytes(), type=load.Copy)
    assert copy.sha256 == hashlib.sha256(raw).hexdigest(), f"{name}.yaml has changed: {CORRECT}"
    compiled = msgspec.json.decode(copy.data, type=schema.FILES[name])
    assert compiled == load.parse(name, raw, HERE / f"{name}.yaml"), f"{name}.json is not {name}.yaml: {CORRECT}"
    assert load.read(name) == (compiled, copy.sha256)


def test_no_copy_is_left_of_a_file_that_is_gone() -> None:
    assert {p.stem for p in load.COMPILED.iterdir()} == set(schema.FILES)
    assert {p.stem for p in HERE.glob("*.yaml")} == set(schema.FILES)


def test_an_edited_yaml_counts_and_a_stale_copy_does_not(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    raw = (HERE / "countries.yaml").read_bytes().replace(b"Indonesia", b"Nusantara")
    (tmp_path / "countries.yaml").write_bytes(raw)
    monkeypatch.setattr(load, "HERE", tmp_path)
    read, sha256 = load.read("countries", tmp_path)
    assert next(c for c in read.countries if c.code == "ID").en == "Nusantara"
    assert sha256 == hashlib.sha256(raw).hexdigest()


KEYS = {
    "operators": "operators",
    "apps": "apps",
    "data_types": "data_types",
    "endpoints": "endpoints",
    "law_reach": "law_reach",
    "node_codes": "codes",
    "regimes": "regimes",
    "statements": "statements",
}


@pytest.mark.parametrize("name", KEYS)
def test_ids_are_one_records_alone(name: str) -> None:
    ids = Counter(r.id for r in getattr(content(name), KEYS[name]))
    assert [i for i, n in ids.items() if n > 1] == []


def test_field_ids_are_one_fields_alone() -> None:
    ids = Counter(f.id for e in content("endpoints").endpoints for f in e.fields)
    assert [i for i, n in ids.items() if n > 1] == []


def test_a_domain_and_a_network_belong_to_one_operator() -> None:
    operators = content("operators").operators
    for names in ([s.lower() for o in operators for s in o.domain_suffixes], [a for o in operators for a in o.asns]):
        assert [n for n, count in Counter(names).items() if count > 1] == []


def test_what_is_recalled_is_among_what_is_listed() -> None:
    for o in content("operators").operators:
        assert set(o.domains_recalled) <= set(o.domain_suffixes), o.id
        assert set(o.asns_recalled) <= set(o.asns), o.id
    for a in content("apps").apps:
        assert set(a.domains_recalled) <= set(a.domains), a.id
        assert set(a.ids_recalled) <= {*a.android, *a.ios}, a.id
        assert set(a.variants) <= {*a.android, *a.ios}, a.id
    for n in content("apps").system_noise:
        assert set(n.hosts_recalled) <= set(n.hosts), n.id


def test_an_app_id_is_one_apps_alone() -> None:
    for platform in ("android", "ios"):
        ids = Counter(i.lower() for a in content("apps").apps for i in getattr(a, platform))
        assert [i for i, n in ids.items() if n > 1] == []


def test_every_operator_that_a_file_names_is_there(reference: Reference) -> None:
    named = {a.operator for a in content("apps").apps} | {n.operator for n in content("apps").system_noise}
    named |= {e.operator for e in content("endpoints").endpoints}
    named |= {c.operator for c in content("node_codes").codes}
    named |= {m for s in content("regimes").operator_sets.values() for m in s.members}
    named |= {s.subject for s in content("statements").statements}
    assert named - {None} - set(reference.operators) == set()


def test_every_data_type_that_a_file_names_is_there(reference: Reference) -> None:
    named = {m for s in content("regimes").data_type_sets.values() for m in s.members}
    named |= {f.data_type for e in content("endpoints").endpoints for f in e.fields}
    assert named - set(reference.data_types) == set()
    assert set(reference.data_type_aliases().values()) == set(reference.data_types)


def test_every_country_that_a_file_names_is_there(reference: Reference) -> None:
    countries = {*reference.countries, "EU"}
    assert len(reference.countries) == 249
    named = {s.country for s in content("law_reach").law_reach}
    named |= {c for o in reference.operators.values() for c in (o.country_of_incorporation, *o.established_in)}
    named |= {o.ultimate_parent_country for o in reference.operators.values()} - {None}
    lists = content("node_codes").lists.values()
    named |= {c for one in lists for c in one.codes.values()} | {one.country for one in lists}
    named |= {c for code in content("node_codes").codes for c in (code.country, *(code.codes or {}).values())}
    named |= {m for g in reference.groups.values() for m in g.members}
    assert named - countries - {None} == set()


def test_a_country_is_in_the_groups_that_list_it(reference: Reference) -> None:
    for name, group in reference.groups.items():
        assert {c.code for c in reference.countries.values() if name in c.groups} == set(group.members), name


def test_every_statute_that_a_rule_names_is_there(reference: Reference) -> None:
    for rule in reference.rules.values():
        assert set(rule.statutes) - set(reference.statutes) == set(), rule.id


def test_every_list_of_node_codes_is_used_and_every_used_one_is_there() -> None:
    codes = content("node_codes")
    used = {n for c in codes.codes if c.list for n in ([c.list] if isinstance(c.list, str) else c.list)}
    assert used == set(codes.lists)


def test_every_pattern_is_one() -> None:
    for code in content("node_codes").codes:
        assert re.compile(code.pattern).groups >= code.group or code.country is not None, code.id


def test_what_is_verified_names_where_it_was_read(reference: Reference) -> None:
    files = [content(n) for n in schema.FILES]
    records = [r for f in files for key in msgspec.structs.asdict(f).values() if isinstance(key, list) for r in key]
    verified = [r for r in records if getattr(r, "confidence", None) == "verified"]
    assert len(verified) > 400
    assert [r for r in verified if not r.source.strip()] == []


SHORT = 15


def test_short_names_fit_narrow_pictures(reference: Reference) -> None:
    for o in reference.operators.values():
        name = o.short or o.name
        assert 0 < len(name) <= SHORT, f"operator {o.id}: {name!r} is longer than {SHORT}"
        assert o.short != o.name, o.id
    for language in ("en", "id"):
        for t in reference.data_types.values():
            name = getattr(t, f"short_{language}") or getattr(t, f"label_{language}")
            assert 0 < len(name) <= SHORT, f"data type {t.id}: {name!r} is longer than {SHORT}"


def test_short_names_tell_records_apart(reference: Reference) -> None:
    names = Counter(o.short or o.name for o in reference.operators.values())
    assert [n for n, count in names.items() if count > 1] == []
    for language in ("en", "id"):
        shown = Counter(
            getattr(t, f"short_{language}") or getattr(t, f"label_{language}") for t in reference.data_types.values()
        )
        assert [n for n, count in shown.items() if count > 1] == [], language


# --------------------------------------------------------------------------------------------- sources of data


def test_every_data_file_has_licence_attribution_and_date() -> None:
    rows = data_files()
    assert {r["name"] for r in rows} >= {p.name for p in DATA.iterdir()} | {p.name for p in HERE.glob("*.csv")}
    for row in rows:
        for key in ("licence", "attribution", "source", "title"):
            assert row[key].strip(), (row["name"], key)
        assert re.fullmatch(r"20\d\d-\d\d(-\d\d)?", row["date"]), row["name"]


def test_the_hash_shown_is_the_files(reference: Reference) -> None:
    rows = reference.versions()
    assert len(rows) == len(schema.FILES) + len(GEO_FILES) + len(SHAPE_FILES) + len(RANGE_FILES)
    for row in rows:
        place = next(p for p in (HERE / row["name"], DATA / row["name"]) if p.is_file())
        assert row["sha256"] == hashlib.sha256(place.read_bytes()).hexdigest(), row["name"]


def test_sources_page_names_every_data_file() -> None:
    page = (HERE / "SOURCES.md").read_text(encoding="utf-8")
    for row in data_files():
        (line,) = [text for text in page.splitlines() if text.startswith(f"| `{row['name']}`")]
        for key in ("licence", "attribution", "date", "source"):
            assert row[key] in line, (row["name"], key)
    for name in schema.FILES:
        assert f"`{name}.yaml`" in page
