"""One set of reference data for all tests of this room."""

from __future__ import annotations

import pytest

from analysis.read import Detector
from analysis.reference import Reference
from tests.read.messages import persona

VALUES = {
    "full_name": "Ratna Ayu Kusumawati",
    "email": "ratna.ayu@example.com",
    "phone_number": "+62 813-5550-4321",
    "advertising_id": "3f2a9c1e-77b4-4d0e-9a51-c0ffee123456",
    "imei": "490154203237518",
    "gps_precise": "-7.257472,112.752088",
    "password": "Rujak-Cingur#7",
    "gender": "female",
    "messages": "Tolong titip di satpam depan ya kak",
}


@pytest.fixture(scope="session")
def reference() -> Reference:
    return Reference.load()


@pytest.fixture(scope="session")
def detector(reference: Reference) -> Detector:
    """Without a persona."""
    return Detector(None, reference, "ID")


@pytest.fixture(scope="session")
def planted(reference: Reference) -> Detector:
    """With a persona of its own."""
    return Detector(persona(VALUES), reference, "ID")
