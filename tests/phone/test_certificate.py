"""A certificate is said to be in a store only where it was seen there."""

from __future__ import annotations

import datetime
import shutil
import subprocess
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from analysis.model import InputError
from lintas.phone import certificate
from lintas.phone.adb import Phone
from lintas.phone.certificate import by_user, in_system, install, load
from lintas.phone.server import PhoneError
from tests.phone.device import FakePhone

DAY = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)


def write(place: Path, ca: bool = True, name: str = "Lintas café") -> Path:
    """A certificate and its key in one file, as a proxy keeps them."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name(
        [x509.NameAttribute(NameOID.COMMON_NAME, name), x509.NameAttribute(NameOID.ORGANIZATION_NAME, "mitmproxy")]
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(7)
        .not_valid_before(DAY)
        .not_valid_after(DAY + datetime.timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    place.write_bytes(private + made.public_bytes(Encoding.PEM))
    return place


@pytest.fixture
def authority(tmp_path: Path) -> Path:
    return write(tmp_path / "ca.pem")


def stores(fake: FakePhone, conscrypt: bool) -> None:
    fake.make_root()
    fake.file(f"{certificate.SYSTEM}/00673b5b.0", b"old")
    if conscrypt:
        fake.file(f"{certificate.CONSCRYPT}/00673b5b.0", b"old")
        fake.file(f"{certificate.CONSCRYPT}/3513523f.0", b"newer")
    (fake.folder / "zygotes").write_text("31 32\n", encoding="utf-8")
    (fake.folder / "processes").write_text("   31     1\n  400    31\n  401    32\n  500     2\n", encoding="utf-8")


def test_the_name_is_openssls(authority: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not installed")
    said = subprocess.run(
        ["openssl", "x509", "-in", authority, "-noout", "-subject_hash_old"], capture_output=True, text=True, check=True
    )
    assert load(authority).name == said.stdout.strip() + ".0"


def test_a_private_key_goes_nowhere(fake: FakePhone, authority: Path) -> None:
    assert b"PRIVATE" not in load(authority).pem
    install(Phone(fake.serial), authority)
    pushed = [p for p in (fake.folder / "root").rglob("*") if p.is_file()]
    assert pushed
    assert all(b"PRIVATE" not in p.read_bytes() for p in pushed)


@pytest.mark.parametrize("octets", [b"", b"x" * 50, b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_is_refused(tmp_path: Path, octets: bytes) -> None:
    (tmp_path / "x.pem").write_bytes(octets)
    with pytest.raises(InputError, match="holds no certificate"):
        load(tmp_path / "x.pem")
    with pytest.raises(InputError, match="cannot be read"):
        load(tmp_path / "none.pem")


def test_what_is_no_authority_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no certificate authority"):
        load(write(tmp_path / "leaf.pem", ca=False))


@pytest.mark.parametrize("conscrypt", [False, True])
def test_with_root_it_is_put_into_the_store_that_apps_read(fake: FakePhone, authority: Path, conscrypt: bool) -> None:
    stores(fake, conscrypt)
    phone = Phone(fake.serial)
    made = load(authority)
    assert not in_system(phone, made)
    outcome = install(phone, authority)
    assert outcome.store == "system"
    assert in_system(phone, made)
    place = certificate.CONSCRYPT if conscrypt else certificate.SYSTEM
    held = {p.name for p in fake.file(place).iterdir()}
    assert {made.name, "00673b5b.0"} <= held
    if conscrypt:
        assert "3513523f.0" in held
        entered = {line.split("/")[2] for line in fake.log() if line.startswith("nsenter") and "--bind" in line}
        assert entered == {"31", "32", "400", "401"}
    assert not list(fake.file("/data/local/tmp").iterdir())
    mounts = [line for line in fake.log() if line.startswith("mount -t")]
    install(phone, authority)
    assert [line for line in fake.log() if line.startswith("mount -t")] == mounts  # not laid over twice


def test_a_store_that_could_not_be_filled_is_uncovered(fake: FakePhone, authority: Path) -> None:
    stores(fake, conscrypt=False)
    fake.program("chcon", "#!/bin/sh\necho 'chcon: denied' >&2; exit 1\n")
    with pytest.raises(PhoneError, match="denied"):
        install(Phone(fake.serial), authority)
    assert [p.name for p in fake.file(certificate.SYSTEM).iterdir()] == ["00673b5b.0"]


def test_what_is_not_seen_in_the_store_is_not_claimed(fake: FakePhone, authority: Path) -> None:
    stores(fake, conscrypt=True)
    # The mount in the apps' view does nothing.
    fake.program(
        "nsenter",
        '#!/bin/sh\ncase "$*" in *--bind*) exit 0 ;; esac\nwhile [ "$1" != -- ]; do shift; done\nshift; "$@"\n',
    )
    with pytest.raises(PhoneError, match="could not be put into"):
        install(Phone(fake.serial), authority)


def test_another_certificate_of_that_name_is_not_ours(fake: FakePhone, authority: Path, tmp_path: Path) -> None:
    stores(fake, conscrypt=False)
    made = load(authority)
    other = load(write(tmp_path / "other.pem"))
    assert other.name == made.name
    fake.file(f"{certificate.SYSTEM}/{made.name}", other.pem)
    assert not in_system(Phone(fake.serial), made)
    assert in_system(Phone(fake.serial), other)


def test_a_development_build_is_asked_for_root(fake: FakePhone, authority: Path) -> None:
    stores(fake, conscrypt=False)
    fake.make_root(False)
    fake.can_be_root = True
    fake.prop("ro.build.type", "userdebug")
    assert install(Phone(fake.serial), authority).store == "system"


def test_without_root_it_is_handed_to_the_user(fake: FakePhone, authority: Path) -> None:
    fake.file("/sdcard/Download/photo.jpg", b"x")
    outcome = install(Phone(fake.serial), authority)
    assert outcome.store is None
    assert "not installed yet" in outcome.text
    made = load(authority)
    place = fake.file(f"/sdcard/Download/lintas-{made.name[:-2]}.crt")
    assert place.read_bytes() == made.pem
    assert "am start -a android.settings.SECURITY_SETTINGS" in fake.log()
    assert by_user(Phone(fake.serial), made) is None


def test_the_users_store_is_seen_with_root_only(fake: FakePhone, authority: Path) -> None:
    stores(fake, conscrypt=False)
    made = load(authority)
    assert by_user(Phone(fake.serial), made) is False
    fake.file(f"{certificate.USER}/{made.name}", made.pem)
    assert by_user(Phone(fake.serial), made) is True
