"""One adb server for all tests of this folder, and a phone for each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.phone.device import FakePhone, Server


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("adb"))
    yield made
    made.stop()


@pytest.fixture(autouse=True)
def _own_server(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No test sees another's phones, nor what another remembered."""
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    yield
    for line in server.client.list():
        server.client.disconnect(line.serial)


@pytest.fixture
def fake(server: Server, tmp_path: Path) -> Iterator[FakePhone]:
    made = FakePhone(tmp_path / "phone")
    made.connect(server.client)
    yield made
    made.vanish()
    server.client.disconnect(made.serial)
    assert os.path.isdir(made.folder)
