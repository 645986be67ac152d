"""The Public Suffix List, read once and faster than by its library, says what its library says."""

from __future__ import annotations

from publicsuffixlist import PublicSuffixList

from analysis.reference import suffixes
from analysis.reference.suffixes import registered


def test_the_rules_are_those_of_the_library() -> None:
    assert suffixes._list()._publicsuffix == PublicSuffixList()._publicsuffix


def test_what_was_registered() -> None:
    for host, listed, unlisted in (
        ("api.shop.co.uk", "shop.co.uk", "shop.co.uk"),
        ("co.uk", None, None),
        ("a.b.toko.co.id", "toko.co.id", "toko.co.id"),
        ("me.github.io", "me.github.io", "me.github.io"),
        ("www.食狮.公司.cn", "食狮.公司.cn", "食狮.公司.cn"),
        ("www.xn--85x722f.xn--55qx5d.cn", "xn--85x722f.xn--55qx5d.cn", "xn--85x722f.xn--55qx5d.cn"),
        ("x.www.ck", "www.ck", "www.ck"),
        ("printer.lan", None, "printer.lan"),
        ("lan", None, None),
        ("a..b", None, None),
    ):
        assert (registered(host, listed=True), registered(host)) == (listed, unlisted), host
