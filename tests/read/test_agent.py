"""What a client says that it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analysis.read.agent import program
from analysis.reference import Reference

AGENTS = frozenset(Reference.load().noise_agents)


@pytest.mark.parametrize(
    ("user_agent", "name"),
    [
        ("Toko%20Uji/134 CFNetwork/1410.0.3 Darwin/22.6.0", "Toko Uji"),
        ("TokoUji/1.2.3 CFNetwork/978.0.7", "TokoUji"),
        ("swcd (unknown version) CFNetwork/808.2.16 Darwin/15.6.0", "swcd"),
        ("locationd/2890.16.16 CFNetwork/1496.0.7 Darwin/23.5.0", "locationd"),
        ("Toko/2.52.0 (id.example.toko; build:20; iOS 26.3.1) Alamofire/5.12.0", "id.example.toko"),
        ("Klub Uji/2.15.1 (com.example.Klub-Uji; build:1007; iOS 18.5.0) Alamofire/5.6.4", "com.example.Klub-Uji"),
        ("Toko/1.3.8 (iPhone; iOS 16.6; Scale/3.00)", "Toko"),
        ("com.apple.trustd/2.1", "com.apple.trustd"),
        ("iOS/26.5 (23F77) dataaccessd/1.0", "dataaccessd"),
        ("CaptiveNetworkSupport/1.0 wispr", "CaptiveNetworkSupport"),
        ("Android-GCM/1.5 (redfin AP2A.240805.005)", "Android-GCM"),
    ],
)
def test_programs_that_are_named(user_agent: str, name: str) -> None:
    assert program(user_agent, AGENTS) == name


@pytest.mark.parametrize(
    "user_agent",
    [
        "",
        "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Mobile/15E148",
        "Dalvik/2.1.0 (Linux; U; Android 14; Pixel 8 Build/UQ1A)",
        "okhttp/4.12.0",
        "AppleCoreMedia/1.0.0.21F90 (iPhone; U; CPU OS 17_5 like Mac OS X; en_us)",
        "trustd is a word of mine",
        "Toko/1 " + "CFNetwork/1 " * 100,
    ],
)
def test_other_clients_name_no_app(user_agent: str) -> None:
    assert program(user_agent, AGENTS) is None


@given(st.text(max_size=600))
def test_any_text_has_an_end(text: str) -> None:
    found = program(text, AGENTS)
    assert found is None or 0 < len(found) <= 600
