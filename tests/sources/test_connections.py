"""PCAPdroid's list of connections: who spoke, in both forms of its columns; nothing of what was said."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from mitmproxy.test import tflow

from analysis.audit import AuditOptions, run
from analysis.model import InputError, Origin
from analysis.sources import Options, connections
from tests.sources.made import Seen, check_laws, dump, gather

NEW = (
    "IPProto,SrcIP,SrcPort,DstIp,DstPort,UID,App,PackageName,Proto,Status,Info,BytesSent,BytesRcvd,PktsSent,PktsRcvd,"
    "FirstSeen,LastSeen"
)
OLD = NEW.replace("PackageName,", "")
AT = 1_772_359_200_000


def line(**more: Any) -> str:
    row = {
        "IPProto": 6,
        "SrcIP": "10.215.173.1",
        "SrcPort": 40000,
        "DstIp": "203.0.113.7",
        "DstPort": 443,
        "UID": 10123,
        "App": "Shop",
        "PackageName": "com.example.shop",
        "Proto": "TLS",
        "Status": "Closed",
        "Info": "api.example",
        "BytesSent": 1000,
        "BytesRcvd": 5000,
        "PktsSent": 10,
        "PktsRcvd": 20,
        "FirstSeen": AT,
        "LastSeen": AT + 1500,
        **more,
    }
    return ",".join(str(v) for v in row.values())


def read(path: Path, *rows: str, head: str = NEW, end: str = "\n", options: Options | None = None) -> Seen:
    path.write_text("\n".join([head, *rows]) + end, encoding="utf-8")
    seen = gather(path, options)
    assert seen.kind == "connections"
    check_laws(seen, path)
    return seen


def test_a_line_is_a_flow_with_its_app(tmp_path: Path) -> None:
    [flow] = read(tmp_path / "a.csv", line()).flows
    assert (flow["src"], flow["sport"], flow["dst"], flow["dport"]) == ("10.215.173.1", 40000, "203.0.113.7", 443)
    assert (flow["app"], flow["app_from"], flow["uid"]) == ("com.example.shop", "stated", 10123)
    assert (flow["host"], flow["host_from"], flow["decrypted"]) == ("api.example", "stated", False)
    # Ten packets of at least 40 octets of headers, and twenty.
    assert (flow["bytes_out"], flow["bytes_in"], flow["bytes_read"]) == (600, 4200, 0)
    assert flow["unread"] == [{"kind": "encrypted", "cause": "no_content", "bytes": 4800, "count": 1}]
    assert (flow["last"] - flow["first"]).total_seconds() == 1.5
    assert flow["tcp_ms"] is None


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"App": "Shop, Inc, and more"}, {"app": "com.example.shop"}),
        ({"UID": -1, "App": "Unknown", "PackageName": "unknown"}, {"app": None, "uid": None, "app_from": None}),
        ({"UID": 1051, "App": "netd", "PackageName": "netd"}, {"app": "netd", "uid": 1051}),
        ({"PackageName": ""}, {"app": "Shop"}),
        ({"Proto": "DNS", "Info": "asked.example", "DstPort": 53}, {"host": "203.0.113.7", "host_from": "address"}),
        ({"Proto": "HTTP"}, {"host": "api.example"}),
        ({"Proto": "TLS.Google"}, {"host": "api.example"}),
        ({"Info": "203.0.113.7"}, {"host": "203.0.113.7", "host_from": "address"}),
        ({"Info": ""}, {"host": "203.0.113.7", "host_from": "address"}),
        ({"IPProto": 17, "Proto": "QUIC"}, {"transport": "udp", "bytes_out": 720}),
        ({"SrcIP": "2001:db8::2", "DstIp": "2001:db8::1"}, {"src": "2001:db8::2", "bytes_out": 400}),
        ({"IPProto": 1, "SrcPort": 0, "DstPort": 0, "Proto": "ICMP"}, {"transport": "icmp", "sport": None}),
        ({"BytesSent": 10, "BytesRcvd": 0}, {"bytes_out": 0, "unread": []}),
        ({"FirstSeen": 0, "LastSeen": ""}, {"first": None, "last": None}),
    ],
)
def test_what_a_line_says(change: dict[str, Any], expected: dict[str, Any], tmp_path: Path) -> None:
    [flow] = read(tmp_path / "a.csv", line(**change)).flows
    assert {k: flow[k] for k in expected} == expected


def test_older_and_newer_columns(tmp_path: Path) -> None:
    old = line().replace("com.example.shop,", "")
    assert [f["app"] for f in read(tmp_path / "a.csv", old, head=OLD).flows] == ["Shop"]
    newer = read(tmp_path / "b.csv", line() + ",false", head=NEW + ",Malicious")
    assert [f["app"] for f in newer.flows] == ["com.example.shop"]


@pytest.mark.parametrize("spell", [str.lower, str.upper, lambda n: f' "{n}" ', lambda n: n.replace("IP", "_Ip")])
def test_columns_in_another_spelling(tmp_path: Path, spell: Any) -> None:
    [expected] = read(tmp_path / "a.csv", line()).flows
    seen = read(tmp_path / "a.csv", line(), head=",".join(map(spell, NEW.split(","))))
    assert [{k: v for k, v in flow.items() if k != "origin"} for flow in seen.flows] == [
        {k: v for k, v in expected.items() if k != "origin"}
    ]


def test_columns_in_another_order_and_under_other_names(tmp_path: Path) -> None:
    names = ["Destination IP", "destination_port", "protocol", "Source IP", "SourcePort", "IP-Protocol", "Package"]
    names += ["Bytes received", "sni"]
    row = "203.0.113.7,443,tls,10.0.0.2,40000,tcp,com.example.shop,700,api.example"
    seen = read(tmp_path / "a.csv", row, head=",".join(names))
    [flow] = seen.flows
    assert (flow["src"], flow["sport"], flow["dst"], flow["dport"]) == ("10.0.0.2", 40000, "203.0.113.7", 443)
    assert (flow["app"], flow["transport"], flow["host"], flow["bytes_in"]) == (
        "com.example.shop",
        "tcp",
        "api.example",
        700,
    )
    assert seen.lost == {"column_missing": 3}


@pytest.mark.parametrize("name", ["IPProto", "SrcIP", "SrcPort", "DstIp", "DstPort"])
def test_a_column_that_is_needed_and_missing_is_named(tmp_path: Path, name: str) -> None:
    (tmp_path / "a.csv").write_text(f"{NEW.replace(name, 'Other')}\n{line()}\n")
    with pytest.raises(InputError, match=f"without the column {name};"):
        gather(tmp_path / "a.csv")
    (tmp_path / "b.csv").write_text(f"{NEW},{name.upper()}\n{line()},1\n")
    with pytest.raises(InputError, match=f"the column {name} twice;"):
        gather(tmp_path / "b.csv")


@pytest.mark.parametrize("name", NEW.split(","))
@pytest.mark.parametrize(
    "value", ["x", "-7", "1e308", "NaN", "Infinity", "253402300800000000", "9" * 5000, "1.5", "{}"]
)
def test_a_value_that_is_none_costs_a_line_at_most(tmp_path: Path, name: str, value: str) -> None:
    seen = read(tmp_path / "a.csv", line(), line(**{name: value}), line(SrcPort=40001))
    texts = ("App", "PackageName", "Proto", "Status", "Info", "IPProto")
    if name in texts:
        assert (len(seen.flows), seen.lost) == (3, {})
    elif name in ("FirstSeen", "LastSeen"):
        assert (len(seen.flows), seen.lost) == (3, {"time_unreadable": 1})
        assert seen.flows[1][name[:-4].lower()] is None
    elif value.lstrip("-").isdigit() and name.startswith(("Bytes", "Pkts")):
        assert len(seen.flows) + seen.lost.get("line_unread", 0) == 3
    else:
        assert (len(seen.flows), seen.lost) == (2, {"line_unread": 1})


def test_lines_that_cannot_be_read_are_counted(tmp_path: Path) -> None:
    bad = [line(SrcIP="here"), line(UID="x"), line(SrcPort="-3"), "6,1,2"]
    seen = read(tmp_path / "a.csv", line(), *bad, "", line(SrcPort=40001))
    assert (len(seen.flows), seen.lost) == (2, {"line_unread": 4})
    with pytest.raises(InputError):
        read(tmp_path / "b.csv", *bad)
    place = tmp_path / "a.csv"
    origin = Origin.parse(seen.flows[1]["origin"])
    assert connections.layer_bytes(place, origin).decode() == line(SrcPort=40001)


def test_a_list_that_is_still_written(tmp_path: Path) -> None:
    torn = line(SrcPort=40001)
    assert len(read(tmp_path / "a.csv", line(), torn[:-3], end="", options=Options(sealed=False)).flows) == 1
    assert len(read(tmp_path / "a.csv", line(), torn, end="").flows) == 2


@given(st.text(max_size=300))
def test_any_text_behind_the_head_is_read_or_counted(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("any") / "a.csv"
    path.write_text(f"{NEW}\n{line()}\n{text}\n", encoding="utf-8", errors="surrogatepass", newline="")
    seen = gather(path)
    check_laws(seen, path)
    assert seen.flows[0]["app"] == "com.example.shop"


def test_it_names_the_app_of_a_proxys_flow(tmp_path: Path) -> None:
    """PCAPdroid sends on to a proxy from other ports than it shows: the server's end, the name and the time tell."""
    flow = tflow.tflow(resp=True)
    began = AT / 1000 + 0.2
    flow.client_conn.peername, flow.client_conn.timestamp_start = ("192.168.1.9", 51000), began
    flow.server_conn.peername, flow.server_conn.address = ("203.0.113.7", 443), ("api.example", 443)
    flow.server_conn.sni = "api.example"
    flow.server_conn.timestamp_start, flow.server_conn.timestamp_tcp_setup = began + 0.1, began + 0.15
    flow.request.host, flow.request.port, flow.request.scheme = "api.example", 443, "https"
    flow.request.headers["host"] = "api.example"
    flow.request.timestamp_start = flow.request.timestamp_end = began + 0.3
    flow.response.timestamp_start = flow.response.timestamp_end = began + 0.5
    (tmp_path / "flows.mitm").write_bytes(dump(flow))
    other = line(SrcPort=40002, DstIp="203.0.113.9", UID=10124, App="Bank", PackageName="com.example.bank")
    (tmp_path / "connections.csv").write_text(f"{NEW}\n{line()}\n{other}\n", encoding="utf-8")
    made, _ = run(tmp_path, AuditOptions(app="com.example.shop"))
    counted = [f for f in made["flows"].to_pylist() if f["same_as"] is None and f["dst"] == "203.0.113.7"]
    assert [(f["app"], f["app_from"], f["app_by"], f["whose"]) for f in counted] == [
        ("com.example.shop", "joined", "server_end", "app")
    ]


def test_octets_that_nothing_can_have_are_none(tmp_path: Path) -> None:
    """Else their sum is none that a table can hold."""
    path = tmp_path / "list.csv"
    path.write_text("\n".join([NEW, *(line(BytesSent=(1 << 50) - 1, SrcPort=1 + n) for n in range(8200))]) + "\n")
    made, _ = run(path, AuditOptions(workers=1))
    assert made["flows"].num_rows == 8200
    assert set(made["flows"]["bytes_out"].to_pylist()) == {0}
