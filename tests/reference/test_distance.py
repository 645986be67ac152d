"""Least distances to countries: never more than they are, whatever the point; and every code answered."""

from __future__ import annotations

import json
import math
import re
from functools import cache
from importlib import resources
from typing import Any

import numpy as np
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st
from pyproj import Geod

from analysis.reference import Reference
from analysis.reference.distance import MARGIN, MARGIN_KM, TERRITORIES, Distance
from analysis.reference.sources import DATA

REFERENCE = Reference.load()
NEAREST = REFERENCE.distance.nearest_km
EARTH = Geod(ellps="WGS84")


@cache
def outline(code: str) -> Any:
    """Points of a country's outline no more than about 5 km apart, read from the file without the code under test."""
    raw = json.loads(zstandard.decompress((DATA / "shapes.zst").read_bytes(), max_output_size=1 << 27))
    points = []
    for ring in [*raw["countries"].get(code, []), *raw["boxes"].get(code, [])]:
        corners = np.cumsum(np.array(ring, np.int64).reshape(-1, 2), axis=0) / 1000.0
        for a, b in zip(corners, np.roll(corners, -1, axis=0), strict=True):
            if abs(a[0] - b[0]) > 180:
                continue  # the seam at 180 degrees, no coast
            steps = max(int(np.abs(a - b).max() / 0.05), 1)
            points.append(a + (b - a) * np.linspace(0, 1, steps, endpoint=False)[:, None])
    return np.concatenate(points) if points else np.empty((0, 2))


def true_km(code: str, latitude: float, longitude: float) -> float:
    """Kilometres on the ellipsoid to the nearest of those points, for a point outside of the country."""
    parts = [outline(c) for c in (code, *TERRITORIES.get(code, ()))]
    points = np.concatenate([p for p in parts if len(p)])
    ones = np.ones(len(points))
    _, _, metres = EARTH.inv(longitude * ones, latitude * ones, points[:, 0], points[:, 1])
    return float(metres.min()) / 1000.0


COUNTRIES = ["ID", "SG", "MT", "HK", "FJ", "RU", "US", "CN", "DE", "FR", "KI", "AQ", "CL", "NZ", "CA", "GB"]


@pytest.mark.slow
@settings(max_examples=40)
@given(st.sampled_from(COUNTRIES), st.floats(-90, 90), st.floats(-180, 180))
def test_a_distance_is_never_more_than_it_is_and_hardly_less(code: str, latitude: float, longitude: float) -> None:
    ours = NEAREST(latitude, longitude)[code]
    true = true_km(code, latitude, longitude)
    assert ours <= true
    # A point inside is at 0, whatever its way to the border; outside the margins are all that is lost.
    assert ours == 0.0 or ours >= true * MARGIN * MARGIN - MARGIN_KM - 5.0


INSIDE = {
    "ID": [(-6.2, 106.82), (-2.5, 140.7), (3.6, 98.7), (-8.65, 115.2)],
    "SG": [(1.35, 103.82)],
    "MT": [(35.9, 14.45)],
    "HK": [(22.4, 114.1)],
    "US": [(38.9, -77.0), (21.3, -157.85), (64.8, -147.7), (52.0, -176.6), (13.45, 144.78), (18.4, -66.1)],
    "RU": [(55.75, 37.6), (43.1, 131.9), (66.0, -172.0), (68.0, 178.0), (54.7, 20.5)],
    "FJ": [(-17.8, 178.0), (-16.8, 179.6), (-16.8, -179.95)],
    "CN": [(39.9, 116.4), (22.4, 114.1), (22.2, 113.55), (29.65, 91.1)],
    "FR": [(48.85, 2.35), (4.9, -52.3), (-21.1, 55.5)],
    "DK": [(55.7, 12.5), (64.2, -51.7)],
    "AQ": [(-90.0, 0.0), (-80.0, 100.0), (-77.85, 166.7)],
    "CL": [(-33.45, -70.65), (-27.1, -109.4)],
    "ZA": [(-29.0, 25.0)],
    "LS": [(-29.6, 28.2)],
    "RS": [(44.8, 20.5), (42.65, 21.15)],
    "XK": [(42.65, 21.15)],
    "UA": [(50.45, 30.5), (44.6, 33.5)],
    "CY": [(35.1, 33.4), (35.3, 33.3)],
    "GF": [(4.9, -52.3)],
    "RE": [(-21.1, 55.5)],
    "GP": [(16.2, -61.6)],
    "MQ": [(14.65, -61.0)],
    "YT": [(-12.8, 45.15)],
    "SJ": [(78.2, 15.6)],
    "BQ": [(12.2, -68.3)],
    "CX": [(-10.5, 105.65)],
    "AU": [(-35.3, 149.1), (-10.5, 105.65), (-12.17, 96.83), (-31.55, 159.08)],
    "CO": [(4.7, -74.1), (12.55, -81.7)],
    "BV": [(-54.42, 3.36)],
    "TK": [(-9.2, -171.8)],
    "BR": [(-15.8, -47.9), (-3.85, -32.42)],
    "SO": [(2.05, 45.3), (9.56, 44.06)],
    # Where a state's own shape and a box of it lie over one another, and where either stands alone.
    "EH": [(27.14, -13.19), (23.68, -15.96), (26.5, -9.5), (24.0, -12.5), (22.0, -14.5)],
    "MA": [(27.14, -13.19), (23.68, -15.96), (26.5, -9.5), (33.6, -7.6)],
    "TW": [(25.03, 121.56), (26.15, 119.93), (24.44, 118.33)],
    "FM": [(6.92, 158.16), (7.45, 151.85), (8.6, 144.5), (5.32, 162.98)],
    "MH": [(7.09, 171.38), (8.72, 167.73), (11.35, 162.34)],
    "IT": [(41.9, 12.5), (40.9, 12.96)],
    "NO": [(59.91, 10.75), (67.52, 12.12), (66.5, 12.1)],
    "TO": [(-21.13, -175.2), (-15.95, -173.8)],
    "GR": [(37.98, 23.73), (36.15, 29.59)],
    "VN": [(21.03, 105.85), (15.37, 109.12)],
}


@pytest.mark.parametrize(("code", "point"), [(c, p) for c, points in INSIDE.items() for p in points])
def test_inside_is_no_distance(code: str, point: tuple[float, float]) -> None:
    assert NEAREST(*point)[code] == 0.0


def test_a_hole_is_outside() -> None:
    """Lesotho lies within South Africa, whose border is less than the margin away or some 60 km."""
    assert REFERENCE.distance._own(-29.6, 28.2)["ZA"] > 30.0


@pytest.mark.parametrize(
    ("code", "point", "true"),
    [
        ("SG", (-6.2, 106.82), 885.0),  # Jakarta: to Pulau Satumu and the south coast, about
        ("HK", (1.35, 103.82), 2545.0),
        ("MT", (48.85, 2.35), 1690.0),
        ("US", (55.75, 37.6), 6400.0),  # Moscow: the Aleutians over the pole are nearer than New York
        ("RU", (64.8, -147.7), 1080.0),  # Fairbanks: across Bering Strait, not around the world
        ("FJ", (-13.8, -171.8), 1005.0),  # Samoa: across 180 degrees
        ("US", (66.0, 172.0), 880.0),  # Chukotka: Alaska across 180 degrees
        ("CN", (51.5, -0.1), 5200.0),
        ("AU", (-6.2, 106.82), 490.0),  # Jakarta: Christmas Island counts too
        ("AQ", (-54.8, -68.3), 930.0),
    ],
)
def test_some_distances_by_the_map(code: str, point: tuple[float, float], true: float) -> None:
    ours = NEAREST(*point)[code]
    assert ours <= true_km(code, *point)
    assert true * 0.85 - 60 < ours < true * 1.15


def test_every_code_is_answered_from_everywhere() -> None:
    for point in ((0.0, 0.0), (90.0, 0.0), (-90.0, 180.0), (-6.2, 106.8), (0.0, 180.0), (0.0, -180.0), (51.5, -0.1)):
        found = NEAREST(*point)
        assert set(found) == {*REFERENCE.countries, "XK"}
        assert all(0.0 <= km < 20_040.0 and math.isfinite(km) for km in found.values())


def test_a_code_without_a_shape_lies_within_its_sovereigns() -> None:
    without = set(REFERENCE.countries) - set(REFERENCE.distance._own(0.0, 0.0))
    assert without == {"BQ", "GF", "GP", "MQ", "RE", "SJ", "YT"}
    for code in without:
        (sovereign,) = [s for s, parts in TERRITORIES.items() if code in parts]
        latitude, longitude = REFERENCE.distance.labels[code]
        assert NEAREST(latitude, longitude)[code] == NEAREST(latitude, longitude)[sovereign] == 0.0


def test_a_state_is_at_most_as_far_as_its_territories() -> None:
    for point in ((13.4, 144.8), (-6.2, 106.8), (48.0, 11.0), (-20.0, 57.0)):
        found = NEAREST(*point)
        for state, parts in TERRITORIES.items():
            for part in parts:
                assert found[state] <= found[part] + 1e-9, (state, part)


def test_both_names_of_a_meridian_are_one_place() -> None:
    for latitude in (-80.0, -17.0, 0.0, 52.0, 66.0):
        east, west = NEAREST(latitude, 180.0), NEAREST(latitude, -180.0)
        assert all(abs(east[c] - west[c]) < 1e-6 for c in east if east[c] > 0.0 and west[c] > 0.0)


@pytest.mark.slow
def test_every_area_has_a_point_for_its_mark_near_itself() -> None:
    labels = REFERENCE.distance.labels
    assert set(labels) == set(REFERENCE.countries)
    for code, (latitude, longitude) in labels.items():
        assert -90 <= latitude <= 90
        assert -180 <= longitude <= 180
        assert NEAREST(latitude, longitude)[code] < 300.0, code


def test_coasts_are_rings_on_the_map() -> None:
    coasts = REFERENCE.distance.coasts
    assert len(coasts) > 100
    for ring in coasts:
        assert len(ring) >= 4
        assert all(-180.01 <= x <= 180.01 and -90.01 <= y <= 90.01 for x, y in ring)


def test_a_file_is_opened_once() -> None:
    assert Distance.load() is Distance.load()


def test_every_zones_town_lies_in_its_country() -> None:
    """The tz database names a town of every zone, to a minute of arc; it knows nothing of the atlas."""
    lines = (resources.files("tzdata") / "zoneinfo" / "zone.tab").read_text("utf-8").splitlines()
    towns = [line.split("\t") for line in lines if not line.startswith("#")]
    assert len(towns) > 400
    for code, place, zone, *_ in towns:
        latitude, longitude = (degrees(text) for text in re.findall(r"[+-]\d+", place))
        assert NEAREST(latitude, longitude)[code] == 0.0, zone


def degrees(text: str) -> float:
    """ISO 6709: degrees and minutes, and seconds where there are six or seven digits."""
    seconds = text[-2:] if len(text) > 6 else "0"
    whole = text[1:-2] if len(text) > 6 else text[1:]
    size = int(whole[:-2]) + int(whole[-2:]) / 60 + int(seconds) / 3600
    return -size if text[0] == "-" else size
