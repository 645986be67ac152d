"""The set-up: the locks, the script that fills .venv, and the wheel in an environment of its own."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


def locked(name: str) -> dict[str, Requirement]:
    """The requirements of one lock by canonical name."""
    text = (ROOT / "requirements" / f"{name}.txt").read_text(encoding="utf-8").replace("\\\n", " ")
    lines = [re.split(r"\s+--hash=", line)[0].strip() for line in text.splitlines() if line.strip()]
    return {canonicalize_name(r.name): r for r in map(Requirement, lines)}


def version(requirement: Requirement) -> str:
    (only,) = requirement.specifier
    assert only.operator == "=="
    return only.version


# --- locks


@pytest.mark.parametrize("lock", LOCKS, ids=lambda path: path.stem)
def test_a_lock_pins_version_and_hash_of_everything(lock: Path) -> None:
    entries = lock.read_text(encoding="utf-8").replace("\\\n", " ").splitlines()
    assert entries
    for entry in entries:
        assert re.fullmatch(r"[a-z0-9-]+==[^ ]+( ;[^#]*?)?( +--hash=sha256:[0-9a-f]{64})+ *", entry), entry[:80]


def test_the_locks_hold_what_the_project_asks_for() -> None:
    runtime, dev = locked("runtime"), locked("dev")
    for held, wanted in (
        (runtime, PROJECT["project"]["dependencies"]),
        (dev, PROJECT["dependency-groups"]["dev"]),
        (locked("build"), PROJECT["build-system"]["requires"]),
    ):
        for requirement in map(Requirement, wanted):
            found = held[canonicalize_name(requirement.name)]
            assert requirement.specifier.contains(version(found), prereleases=True), str(requirement)
    assert {name: version(r) for name, r in runtime.items()}.items() <= {
        name: version(r) for name, r in dev.items()
    }.items(), "the tests must run on the versions that users get"


def test_no_file_of_the_set_up_names_where_packages_come_from() -> None:
    files = [*(ROOT / "requirements").iterdir(), *(ROOT / "scripts").glob("*.sh")]
    files += [ROOT / name for name in ("pyproject.toml", "Makefile", ".ci/run")]
    for file in files:
        assert "://" not in file.read_text(encoding="utf-8"), file.name


# --- scripts/setup.sh, on machines made of stubs

TOOLS = ("cat", "cksum", "dirname", "mkdir", "rm", "sed", "sort", "tail")
WHOLE_PYTHON = """case "$1" in --version) echo "Python 3.13.x" ;; -c) exit 0 ;; *) exit 1 ;; esac"""
OLD_PYTHON_WITH_PIP = """
case "$*" in
    *"pip --version") exit 0 ;;
    *"pip install"*"--require-hashes"*)
        mkdir -p .cache/uv/bin && cat "$UV_STUB" >.cache/uv/bin/uv && chmod +x .cache/uv/bin/uv ;;
    *) exit 1 ;;
esac"""
UV = """#!/bin/sh
echo "$*" >>uv-calls
case "$*" in
    "python install"*) exit 1 ;;
    venv*) mkdir -p .venv/bin && cat "$WHOLE_STUB" >.venv/bin/python && chmod +x .venv/bin/python ;;
esac
"""


class Machine:
    """A folder with the project's set-up, and a PATH on which stands only what a test puts there."""

    def __init__(self, folder: Path) -> None:
        self.project = folder / "project"
        self.bin = folder / "bin"
        self.home = folder / "home"
        for made in (self.project / "scripts", self.bin, self.home):
            made.mkdir(parents=True)
        shutil.copy(ROOT / "scripts/setup.sh", self.project / "scripts")
        shutil.copy(ROOT / "pyproject.toml", self.project)
        shutil.copytree(ROOT / "requirements", self.project / "requirements")
        for tool in (*TOOLS, "chmod", "cut"):
            (self.bin / tool).symlink_to(shutil.which(tool) or pytest.fail(f"{tool} is missing"))
        self.env = {"PATH": str(self.bin), "HOME": str(self.home)}
        for name, body in (("UV_STUB", UV), ("WHOLE_STUB", f"#!/bin/sh\n{WHOLE_PYTHON}\n")):
            (folder / name).write_text(body)
            self.env[name] = str(folder / name)

    def program(self, path: Path, body: str) -> Path:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return path

    def setup(self, group: str = "runtime", **env: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", "scripts/setup.sh", group],
            cwd=self.project,
            env=self.env | env,
            capture_output=True,
            text=True,
            check=False,
        )

    def calls(self) -> list[str]:
        """What uv was called with since the last look."""
        log = self.project / "uv-calls"
        lines = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return [line for line in lines if line != "--version"]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


def test_a_machine_without_python_is_told_so(machine: Machine) -> None:
    done = machine.setup()
    assert done.returncode == 1
    assert "no Python 3 was found" in done.stderr
    assert "run make again" in done.stderr


def test_a_python_without_pip_is_told_what_brings_it(machine: Machine) -> None:
    machine.program(machine.bin / "python3", WHOLE_PYTHON)
    done = machine.setup()
    assert done.returncode == 1
    assert "apt-get install python3-pip" in done.stderr


def test_a_uv_that_is_there_does_where_pip_is_not(machine: Machine) -> None:
    machine.program(machine.bin / "python3", WHOLE_PYTHON)
    machine.program(machine.bin / "uv", UV)
    assert machine.setup().returncode == 0
    assert machine.calls()[0].endswith(f"--python {machine.bin}/python3 .venv")


def with_pyenv(machine: Machine) -> None:
    """An old Python with pip, a shim that does not work, and pyenv's versions, one of them not whole."""
    machine.program(machine.bin / "python3", OLD_PYTHON_WITH_PIP)
    machine.program(machine.bin / "python3.13", "exit 127")
    for patch, body in (("2", WHOLE_PYTHON), ("10", WHOLE_PYTHON), ("11", "exit 1")):
        machine.program(machine.home / f".pyenv/versions/3.13.{patch}/bin/python3.13", body)
    machine.program(machine.home / ".pyenv/versions/3.12.9/bin/python3.12", WHOLE_PYTHON)


def test_the_newest_python_that_works_is_taken_and_hashes_are_required(machine: Machine) -> None:
    with_pyenv(machine)
    done = machine.setup()
    assert done.returncode == 0, done.stderr
    made, synced, installed = machine.calls()
    assert f"--python {machine.home}/.pyenv/versions/3.13.10/bin/python3.13 .venv" in made
    assert synced.startswith("pip sync")
    assert synced.endswith("--require-hashes requirements/runtime.txt")
    assert "--no-deps" in installed
    assert installed.endswith("--editable .")
    assert not done.stdout, "standard output belongs to what make runs next"


def test_nothing_is_done_twice(machine: Machine) -> None:
    with_pyenv(machine)
    machine.setup()
    machine.calls()
    again = machine.setup()
    assert (again.returncode, again.stderr, machine.calls()) == (0, "", [])


def test_a_changed_lock_is_followed_and_the_tests_libraries_are_kept(machine: Machine) -> None:
    with_pyenv(machine)
    machine.setup()
    machine.calls()
    machine.setup("dev")
    assert machine.calls()[0].endswith("requirements/dev.txt")
    machine.setup("runtime")
    assert machine.calls() == []
    (machine.project / "requirements/runtime.txt").write_text("other\n")
    machine.setup("runtime")
    assert machine.calls()[0].endswith("requirements/dev.txt")


def test_a_set_up_that_was_broken_off_is_made_again(machine: Machine) -> None:
    with_pyenv(machine)
    machine.setup()
    machine.calls()
    (machine.project / ".venv/bin/python").unlink()
    assert machine.setup().returncode == 0
    assert len(machine.calls()) == 3


def test_a_folder_that_was_moved_gets_a_new_environment(machine: Machine) -> None:
    with_pyenv(machine)
    machine.setup()
    machine.calls()
    machine.project = machine.project.rename(machine.project.parent / "moved")
    machine.setup()
    assert machine.calls()[0].startswith("venv")
    assert machine.setup().stderr == ""


def test_a_python_that_was_named_once_is_kept(machine: Machine) -> None:
    with_pyenv(machine)
    named = str(machine.home / ".pyenv/versions/3.12.9/bin/python3.12")
    machine.setup(PYTHON=named)
    assert f"--python {named} .venv" in machine.calls()[0]
    machine.setup(PYTHON=named)
    machine.setup()
    assert machine.calls() == []
    machine.setup(PYTHON=str(machine.home / ".pyenv/versions/3.13.2/bin/python3.13"))
    assert "3.13.2" in machine.calls()[0]


def test_where_no_python_fits_the_message_says_what_to_do(machine: Machine) -> None:
    machine.program(machine.bin / "python3", OLD_PYTHON_WITH_PIP)
    done = machine.setup()
    assert done.returncode == 1
    assert "could not fetch one" in done.stderr
    assert "make PYTHON=" in done.stderr
    assert machine.setup(PYTHON=str(machine.bin / "python3")).stderr.count("is not a whole Python 3.12 or 3.13") == 1


# --- the wheel

PACKAGES = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def run(*words: str | Path, cwd: Path, code: int = 0) -> str:
    """Run a program far from the checkout's environment; its standard output."""
    env = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
    done = subprocess.run(words, cwd=cwd, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == code, f"{words}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def find_uv() -> str:
    own = ROOT / ".cache/uv/bin/uv"
    return str(own) if own.exists() else shutil.which("uv") or pytest.fail("uv is missing: run `make test`")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    run(
        find_uv(),
        "build",
        "-q",
        "--wheel",
        "--python",
        sys.executable,
        "--build-constraints",
        ROOT / "requirements/build.txt",
        "-o",
        out,
        ROOT,
        cwd=out,
    )
    (made,) = out.glob("*.whl")
    return made


def test_every_package_of_the_project_is_in_the_wheel_and_under_the_import_rule() -> None:
    there = {p.parent.name for p in ROOT.glob("*/__init__.py")} - {"tests"}
    assert there == set(PACKAGES)
    assert there == set(PROJECT["tool"]["importlinter"]["root_packages"])


@pytest.mark.slow
def test_the_wheel_holds_code_and_data_and_nothing_else(wheel: Path) -> None:
    ours = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    with zipfile.ZipFile(wheel) as opened:
        held = set(opened.namelist())
        metadata = opened.read(next(n for n in held if n.endswith(".dist-info/METADATA"))).decode()
    assert {name for name in held if ".dist-info/" not in name} == ours
    assert any(name.endswith("licenses/LICENSE") for name in held)
    assert "License-Expression: MIT" in metadata


HAR = {
    "log": {
        "version": "1.2",
        "creator": {"name": "test", "version": "1"},
        "entries": [
            {
                "startedDateTime": "2026-01-05T03:00:00.000Z",
                "time": 40,
                "serverIPAddress": "36.66.1.1",
                "request": {
                    "method": "GET",
                    "url": "https://api.shop.example/v1/start?advertising_id=6d1c1f6e-55e3-4d0f-9a5e-0c2b7a7f2f10",
                    "httpVersion": "HTTP/2",
                    "headers": [],
                    "queryString": [],
                    "cookies": [],
                    "headersSize": -1,
                    "bodySize": 0,
                },
                "response": {
                    "status": 200,
                    "statusText": "OK",
                    "httpVersion": "HTTP/2",
                    "headers": [],
                    "cookies": [],
                    "content": {"size": 2, "mimeType": "application/json", "text": "{}"},
                    "redirectURL": "",
                    "headersSize": -1,
                    "bodySize": 2,
                },
                "cache": {},
                "timings": {"send": 0, "wait": 40, "receive": 0},
            }
        ],
    }
}


@pytest.mark.slow
def test_the_wheel_works_in_an_environment_of_its_own_from_another_folder(wheel: Path, tmp_path: Path) -> None:
    uv, venv = find_uv(), tmp_path / "venv"
    run(uv, "venv", "-q", "--no-project", "--python", sys.executable, venv, cwd=tmp_path)
    install = (uv, "pip", "install", "-q", "--python", venv)
    run(*install, "--require-hashes", "-r", ROOT / "requirements/runtime.txt", cwd=tmp_path)
    run(*install, "--no-deps", wheel, cwd=tmp_path)
    far = tmp_path / "elsewhere"
    far.mkdir()
    (far / "session.har").write_text(json.dumps(HAR), encoding="utf-8")
    lintas = venv / "bin/lintas"
    assert run(lintas, "--version", cwd=far).strip() == f"lintas {PROJECT['project']['version']}"
    assert "session.har" in run(lintas, "info", "session.har", cwd=far)
    said = run(lintas, "audit", "session.har", "--out", "made", cwd=far)
    report = Path(said.splitlines()[-1])
    assert (far / report).read_text(encoding="utf-8").startswith("<!")
    assert run(lintas, "report", "made", cwd=far)
    run(lintas, "audit", "nothing.har", cwd=far, code=2)
