"""What machines say of their own place: every record's example by what the record says it means."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.reference import Reference, load
from analysis.reference.schema import NodeCode

REFERENCE = Reference.load()
CODES: dict[str, NodeCode] = {c.id: c for c in load.read("node_codes")[0].codes}

MEANS = {
    "alibaba-cdn-via": "CN",  # kunlun4.cn9901: country letters
    "alibaba-eagleid": None,  # an address in hexadecimal, no place
    "alibaba-region-host": "ID",  # Alibaba's ap-southeast-5 is Jakarta
    "tencent-via-carrier": "CN",  # Telecom, Guangdong
    "tencent-region-host": "ID",
    "wangsu-ps-iata": "ID",  # SUB, Surabaya
    "wangsu-request-id": "ID",  # CGK
    "wangsu-ps-province": "CN",  # gd sz dx: Guangdong, Shenzhen, Telecom
    "cdnetworks-px": "ID",  # the first of cgk and nrt
    "baidu-ohc": "CN",
    "baidu-region-host": "CN",  # su, Suzhou
    "huawei-cdn-via": "CN",  # CHN
    "huawei-region-host": "ID",  # Huawei's ap-southeast-4 is Jakarta
    "kingsoft-link-via": "CN",
    "kingsoft-cache-status": "CN",
    "upyun-via": "CN",  # M. marks the edge: gd
    "ctyun-status": "CN",
    "bytedance-cdn-via": "CN",
    "bytedance-host-idc": "SG",  # alisg
    "bytedance-store-idc": "SG",
    "volcengine-region-host": "MY",  # BytePlus' ap-southeast-1 is Johor
    "qiniu-zone-host": "CN",
    "chinanet-reverse": "CN",
    "bytedance-host-short": "US",  # va, Virginia
    "yandex-req-id": "RU",  # vla, Vladimir
    "gcore-id": "DE",  # fr5, Frankfurt
    "vk-storage-host": "RU",  # ru-msk
    "yandex-storage-host": "RU",
    "cloudfront-pop": "ID",
    "cloudflare-ray": "ID",
    "cloudflare-trace": "ID",
    "fastly-served-by": "ID",  # the last of IAD and CGK
    "azure-msedge": "ID",  # JKT
    "bunny-server": "ID",
    "cdn77-pop": "ID",
    "keycdn-location": "SG",
    "medianova-location": "SG",
    "swiftserve-xcache": "ID",
    "quiccloud-pop": "ID",
    "vercel-id": "SG",  # the edge entered, not iad where the function ran
    "fly-request-id": "SG",
    "ovh-cdn-pop": "FR",  # rbx, Roubaix
    "wpvip-rq": "SG",
    "umbrella-ingress": "SG",
    "cachefly-cf1": "SG",
    "edgecast-server": "SG",  # sgb
    "highwinds-hw": "SG",  # si
    "arvan-sid": "SG",
    "sucuri-id": "SG",
    "apple-edge-via": "ID",  # UN/LOCODE idjkt
    "akamai-xcache-node": None,  # an address, no place
    "meta-edge-host": "ID",
    "meta-telegraph-host": "US",  # ash, Ashburn
    "meta-fna-host": "ID",
    "google-1e100": "ID",
    "google-sn-host": "US",  # a5m is lax, letter by letter
    "netflix-oca-host": "ID",
    "aws-host": "ID",  # AWS' ap-southeast-3 is Jakarta
    "aws-bucket-region": "ID",
    "google-function-host": "SG",
    "azure-host": "ID",
}


def asked(code: NodeCode, text: str) -> dict[str, str]:
    """Record -> country that the text is read as, where a record of this form is looked for."""
    if code.where == "header":
        made: dict[str, str] = {}
        for name in code.name.split(", "):
            for spelling in (name, name.lower(), name.upper()):
                found = {r.id: r.country for r in REFERENCE.node_places("header", f"{spelling}: {text}")}
                made |= found
                assert found.get(code.id) == made.get(code.id), f"{spelling} is read otherwise than {name}"
        return made
    return {r.id: r.country for r in REFERENCE.node_places(code.where, text)}


def example(code: NodeCode) -> str:
    """The example, without a note in brackets behind a host name."""
    return code.example if code.where == "header" else code.example.split(" (")[0]


def test_every_record_has_an_expectation() -> None:
    assert set(MEANS) == set(CODES)


@pytest.mark.parametrize("id_", CODES)
def test_the_example_means_what_the_record_says(id_: str) -> None:
    code = CODES[id_]
    assert re.search(code.pattern, example(code), re.IGNORECASE if code.where != "header" else 0), "no example of it"
    found = asked(code, example(code))
    assert found.get(id_) == MEANS[id_]
    assert set(found.values()) <= {MEANS[id_]}, "another record reads this example otherwise"


@pytest.mark.parametrize("id_", [i for i, c in CODES.items() if c.where == "host"])
def test_a_host_is_read_in_upper_case_and_with_its_point(id_: str) -> None:
    code = CODES[id_]
    for text in (example(code).upper(), example(code) + "."):
        assert asked(code, text).get(id_) == MEANS[id_]


@pytest.mark.parametrize("id_", ["aws-host", "meta-edge-host"])
def test_a_form_of_reverse_names_is_read_there_too(id_: str) -> None:
    assert {r.id: r.country for r in REFERENCE.node_places("reverse", CODES[id_].example)} == {id_: MEANS[id_]}


@pytest.mark.parametrize("id_", [i for i, c in CODES.items() if c.where == "host"])
def test_a_domain_in_the_middle_of_another_is_no_domain_of_the_writer(id_: str) -> None:
    code = CODES[id_]
    assert asked(code, example(code) + ".evil.example") == {}


def test_what_a_reading_rests_on_is_kept() -> None:
    for id_, code in CODES.items():
        if MEANS[id_] is None or code.where == "body":
            continue
        name = f"{code.name.split(',')[0]}: " if code.where == "header" else ""
        (reading,) = [r for r in REFERENCE.node_places(code.where, name + example(code)) if r.id == id_]
        assert (reading.shows, reading.writer, reading.operator) == (code.shows, code.writer, code.operator)
        assert (reading.confidence == "verified") == (code.confidence == "verified" and code.reading == "verified")


def test_a_writer_with_a_record_is_named_by_its_id() -> None:
    """The id is that of the company whose network answers: what is said counts only from there."""
    expected = {"alibaba-cdn-via": "aliyun", "cloudfront-pop": "aws", "apple-edge-via": "apple", "aws-host": "aws"}
    expected |= {"fastly-served-by": "fastly", "azure-msedge": "microsoft", "tencent-via-carrier": "tencent-cloud"}
    assert {i: CODES[i].operator for i in expected} == expected


@pytest.mark.parametrize(
    ("header", "country"),
    [
        ("Via: kunlun4.cn9901[0,200-0,H], kunlun4.vn12[1,0]", "VN"),  # the last answered
        ("Via: cache1.l2cn3026[0,0,200-0,H]", None),  # the parent tier
        ("Via: cache1.l2et15[0,0,200-0,H]", None),
        ("Via: cache1.et15[0,200-0,H]", None),  # et is a data centre in China, not Ethiopia
        ("Via: cache1.uk12[0,200-0,H]", "GB"),
        ("Via: cache1.xx12[0,200-0,H]", None),
        ("X-Served-By: cache-iad-kxxx1-IAD", "US"),
        ("X-Served-By: cache-zzz1-ZZZ", None),
        ("X-Px: ms h0-s1.p1-mxp ( h0-s2.p1-mxp), ht h0-s9.p3-nrt.cdngp.net", "IT"),
        ("X-Via: 1.1 PS-000-01abC12:4 (Cdn Cache Server V2.0)", None),
        ("Via: 1.1 PSxjdx3ab12:6 (Cdn Cache Server V2.0)", None),  # Xinjiang or Singapore
        ("X-Amz-Cf-Pop: MOON1-P1", None),
        ("CF-Ray: 8000000000000000-QQQ", None),
        ("CF-Ray: -CGK", None),
        ("X-77-POP: newyorkUSNY", "US"),
        ("X-Edge-Location: SG-100", "SG"),
        ("X-Edge-Location: ZZ-100", None),
        ("X-Ingress-Point: ash1", None),
        ("X-Tt-Store-Idc: gcp", None),
        ("Server: nginx", None),
        ("Via: 1.1 google", None),
        ("Via:", None),
        ("", None),
        (":", None),
    ],
)
def test_what_a_header_says(header: str, country: str | None) -> None:
    assert {r.country for r in REFERENCE.node_places("header", header)} == ({country} if country else set())


NEVER = (
    """
CF-IPCountry: SG|CloudFront-Viewer-Country: SG|CDN-RequestCountryCode: SG|X-Visitor-Country: SG|X-Country-Code: SG
X-Client-Geo-Location: SG|X-Response-Cinfo: 203.0.113.7|X-Request-Ip: 203.0.113.7|cdn-user-ip: 203.0.113.7
X-NWS-LOG-UUID: 1234567890123456789|X-Cache-Lookup: Cache Hit|X-Daa-Tunnel: hop_count=1|EO-LOG-UUID: 1234567890
EO-Cache-Status: HIT|X-Tt-Logid: 20240101120000010203004005ABCDEF|X-Tt-Trace-Host: 01abcdef
X-Tt-Trace-Tag: id=16;cdn-cache=miss|X-Bytefaas-Request-Id: 202401011200000102|Server-Timing: cdn-cache; desc=HIT
Server-Timing: edge; dur=1, origin; dur=55|X-Frontend: front600204|Server: kittenx
Sina-Lb: YWEuMS5nMS54eHh4LmxiLnNpbmFub2RlLmNvbQ==|X-Iinfo: 10-12345-67890|X-Via-Jsl: 4b00000,-|X-NGENIX-Cache: HIT
X-Ngenix-Storage: 1|Via: 1.1 google|Server: gws|Server: sffe|Server: ESF|X-Cloud-Trace-Context: 105445aa7843bc8b/1;o=1
X-FB-Debug: abcdefSGP1==|X-FB-Edge-Debug: abcSIN|Content-Language: id|Set-Cookie: store-idc=alisg; Path=/
Location: https://example.sg/|X-Country: SG|Geo: SG
""".strip()
    .replace("\n", "|")
    .split("|")
)


@pytest.mark.parametrize("header", NEVER)
def test_what_is_never_a_place_makes_no_claim(header: str) -> None:
    assert REFERENCE.node_places("header", header) == []


def test_headers_that_never_say_a_place_are_not_kept_as_clues() -> None:
    """A header that is kept as a clue goes into a table: cookies and the client's own address must not."""
    always = {"server", "via"}  # read for other forms
    assert {h.split(":")[0].lower() for h in NEVER} & REFERENCE.node_headers <= always
    for record in load.read("node_codes")[0].never_a_place:
        for name in re.findall(r"\b(?:X|CF|CDN|EO|CloudFront|cdn)-[A-Za-z-]+", record.what):
            assert name.lower() not in REFERENCE.node_headers, name
    assert not REFERENCE.node_headers & {"set-cookie", "cookie", "authorization", "and", "cookies"}


@pytest.mark.parametrize(
    "name",
    [
        "static.7.113.0.203.clients.your-server.de",
        "ip-203-0-113.eu",
        "ns1.ip-203-0-113.eu",
        "203-0-113-7.ip.linodeusercontent.com",
        "203.0.113.7.vultrusercontent.com",
        "a203-0-113-7.deploy.static.akamaitechnologies.com",
        "ecs-203-0-113-7.compute.hwclouds-dns.com",
        "sun9-12.userapi.com",
        "srv12-34-240-87.vk.com",
        "tw.api.vpon.com",
        "de01.rayjump.com",
        "sg-api.example.com",
        "us-east.example.com",
        "eu.example.com",
    ],
)
def test_names_that_say_the_holder_only_make_no_claim(name: str) -> None:
    assert REFERENCE.node_places("reverse", name) == []
    assert REFERENCE.node_places("host", name) == []


@given(st.sampled_from(["header", "host", "reverse", "certificate", "body", "other"]), st.text(max_size=80))
def test_any_text_is_read_or_passed_over(kind: str, text: str) -> None:
    for reading in REFERENCE.node_places(kind, text):
        assert reading.country in REFERENCE.countries


@given(st.sampled_from(sorted(REFERENCE.node_headers)), st.text(max_size=60))
def test_any_value_of_a_known_header_is_read_or_passed_over(name: str, value: str) -> None:
    for reading in REFERENCE.node_places("header", f"{name}: {value}"):
        assert reading.country in REFERENCE.countries
