"""What comes with a capture raises no confidence in anything: not its reference data, not through links, and what
only its manifest says is listed as that."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from analysis.audit import AuditOptions, run
from analysis.model import InputError
from analysis.reference import Reference
from tests.conclude.made import operator
from tests.reference.test_overlay import FILES, changed, laid
from tests.road import DEMO

IMEI = "490154203237518"


def entry(host: str, path: str = "/v1/e") -> dict[str, Any]:
    body = json.dumps({"imei": IMEI, "a": "ratna@example.com"})
    return {
        "startedDateTime": "2026-03-04T05:06:07.000Z",
        "time": 20,
        "serverIPAddress": "8.8.4.4",
        "request": {
            "method": "POST",
            "url": f"https://{host}{path}",
            "httpVersion": "HTTP/1.1",
            "headers": [{"name": "Host", "value": host}, {"name": "Content-Type", "value": "application/json"}],
            "queryString": [],
            "cookies": [],
            "headersSize": -1,
            "bodySize": len(body),
            "postData": {"mimeType": "application/json", "text": body},
        },
        "response": {
            "status": 200,
            "statusText": "OK",
            "httpVersion": "HTTP/1.1",
            "headers": [],
            "cookies": [],
            "content": {"size": 2, "mimeType": "application/json", "text": "{}"},
            "redirectURL": "",
            "headersSize": -1,
            "bodySize": 2,
        },
        "cache": {},
        "timings": {"send": 1, "wait": 18, "receive": 1},
    }


def capture(folder: Path, *hosts: str, manifest: str = "", **reference: Any) -> Path:
    folder.mkdir(parents=True)
    log = {"version": "1.2", "creator": {"name": "x", "version": "1"}, "entries": [entry(h) for h in hosts]}
    (folder / "capture.har").write_text(json.dumps({"log": log}))
    (folder / "capture.yaml").write_text(f"format: 1\nuser_country: ID\n{manifest}")
    if reference:
        laid(folder / "reference", **reference)
    return folder


def operators(*records: dict[str, Any]) -> dict[str, Any]:
    return {"schema": "lintas.reference/operators/1", "as_of": "2010-01-01", "operators": list(records)}


BUREAU = operator(
    "bureau", name="An Invented Bureau", country_of_incorporation="DE", domain_suffixes=["google.com", "bureau.example"]
)


def text_of(made: Any, about: Any) -> str:
    return json.dumps([{n: t.to_pylist() for n, t in made.items()}, about], default=str)


def test_reference_data_that_comes_with_a_capture_says_nothing(tmp_path: Path) -> None:
    plain = capture(tmp_path / "a", "www.google.com", "api.bureau.example")
    laden = capture(
        tmp_path / "b",
        *("www.google.com", "api.bureau.example"),
        operators=operators(BUREAU, operator("google", country_of_incorporation="DE")),
        endpoints=changed("endpoints", operator="bureau", host_pattern="(a|a|.)*$", path_pattern="(.*)*!"),
        apps=changed("apps", operator="bureau", operator_confidence="verified"),
    )
    made, about = run(laden, AuditOptions())
    expected, _ = run(plain, AuditOptions())
    for name in set(made) - {"losses", "sources"}:
        assert made[name].drop_columns([c for c in made[name].column_names if c == "value_key"]) == expected[
            name
        ].drop_columns([c for c in expected[name].column_names if c == "value_key"]), name
    assert "ureau" not in text_of(made, about).replace("api.bureau.example", "").replace("bureau.example", "")
    (loss,) = [row for row in made["losses"].to_pylist() if row["kind"] == "reference_ignored"]
    assert loss["count"] == 3
    assert "--reference" in loss["where"]
    assert about["options"]["own_records"] == {}


def test_only_the_very_octets_of_our_own_sample_count_unasked(tmp_path: Path) -> None:
    ours = DEMO / "reference"
    for name, more, counts in (("same", b"", True), ("other", b"# \n", False)):
        path = capture(tmp_path / name, "api.kirana.example")
        (path / "reference").mkdir()
        (path / "reference" / "operators.yaml").write_bytes((ours / "operators.yaml").read_bytes() + more)
        made, about = run(path, AuditOptions())
        (row,) = made["destinations"].to_pylist()
        assert (row["operator"] == "kirana", row["auditor_data"]) == (counts, [])
        assert [r["kind"] for r in made["losses"].to_pylist()].count("reference_ignored") == (not counts)
        assert about["options"]["own_records"] == {}
    beside = capture(tmp_path / "beside", "api.kirana.example", operators=operators(BUREAU))
    (beside / "reference" / "apps.yaml").write_bytes((ours / "operators.yaml").read_bytes())
    assert run(beside, AuditOptions())[0]["destinations"].to_pylist()[0]["operator"] is None


def test_the_auditors_own_word_makes_it_count_and_is_shown_as_that(tmp_path: Path) -> None:
    laden = capture(tmp_path / "c", "www.google.com", "www.example.org", operators=operators(BUREAU))
    made, about = run(laden, AuditOptions(reference=laden / "reference"))
    assert not [row for row in made["losses"].to_pylist() if row["kind"] == "reference_ignored"]
    rows = {row["host"]: row for row in made["destinations"].to_pylist()}
    own = rows["www.google.com"]
    assert (own["operator"], own["auditor_data"]) == ("bureau", ["operator"])
    assert [(x["state"], x["auditor_data"]) for x in own["law_links"] if x["link"] == "operator"] == [("DE", True)]
    assert rows["www.example.org"]["auditor_data"] == []
    (finding,) = [f for f in made["findings"].to_pylist() if f["finding"] == "REACH-DE"]
    assert {a["name"]: a["value"] for a in finding["args"]}["auditor_data"] == "bureau"
    assert about["options"]["own_records"] == {"operators": ["bureau"]}


def test_an_app_or_endpoint_of_the_auditors_is_marked_and_never_searched_by_going_back(tmp_path: Path) -> None:
    own = laid(tmp_path / "own", **FILES)
    made, about = run(capture(tmp_path / "c", "x.warung.example"), AuditOptions(reference=own, app="example.warung"))
    assert made["destinations"].to_pylist()[0]["auditor_data"] == ["operator", "party"]
    assert about["options"]["own_records"] == {n: [FILES[n][n][0]["id"]] for n in sorted(FILES)}
    for pattern in ("(a)\\1", "(?=x)", "(?<!x)y"):
        laid(tmp_path / "bad", **FILES | {"endpoints": changed("endpoints", path_pattern=pattern)})
        with pytest.raises(InputError, match="linear time"):
            Reference.load(tmp_path / "bad")
    slow = laid(tmp_path / "slow", **FILES | {"endpoints": changed("endpoints", path_pattern="^(/(l|l|.)*)*$")})
    found = Reference.load(slow).endpoints_for("x.warung.example", "/" + "l" * 3_000 + "\n!")
    assert found == []


def test_a_link_that_leads_out_is_not_followed(tmp_path: Path) -> None:
    outside = tmp_path / "operators.yaml"
    outside.write_text(yaml.safe_dump(operators(BUREAU)))
    laden = capture(tmp_path / "c", "www.google.com")
    (laden / "reference").mkdir()
    (laden / "reference" / "operators.yaml").symlink_to(outside)
    made, _ = run(laden, AuditOptions())
    assert [r["count"] for r in made["losses"].to_pylist() if r["kind"] == "reference_ignored"] == [1]
    with pytest.raises(InputError, match="leads out of its folder"):
        run(laden, AuditOptions(reference=laden / "reference"))
    (laden / "reference" / "apps.yaml").symlink_to("apps.yaml")
    with pytest.raises(InputError, match="leads out of its folder"):
        run(laden, AuditOptions(reference=laden / "reference"))


def test_what_only_the_manifest_says_is_listed_as_that(tmp_path: Path) -> None:
    manifest = (
        "app: {id: com.example.uji, vendor: google, domains: [uji.example]}\nopened_by: system_certificate\n"
        "vantage: {country: ID, latitude: -6.2, longitude: 106.8}\n"
    )
    path = capture(tmp_path / "c", "www.google.com", manifest=manifest)
    _, about = run(path, AuditOptions())
    everything = ["app", "vendor", "domains", "user_country", "vantage", "opened_by"]
    assert about["stated_by_capture"] == everything
    _, about = run(path, AuditOptions(app="com.example.uji", vendor="google", user_country="ID"))
    assert about["stated_by_capture"] == ["domains", "vantage", "opened_by"]
    _, about = run(capture(tmp_path / "d", "www.google.com"), AuditOptions())
    assert about["stated_by_capture"] == ["user_country"]
