"""The signing key is made once, kept from others, and refused by name where it is not one."""

import threading
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from app.domain.errors import Unavailable
from app.vault.dsse import key_id
from app.vault.signing import (
    make_signing_key,
    parse_public_key,
    parse_signing_key,
    public_pem,
    read_signing_key,
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "vault" / "signing.pem"
    make_signing_key(path)
    return path


def test_the_key_is_kept_for_its_owner_alone_and_made_once(file: Path) -> None:
    first = file.read_bytes()
    make_signing_key(file)
    assert file.read_bytes() == first
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(file.parent.iterdir()) == [file]


def test_of_several_that_start_at_once_all_have_one_key(tmp_path: Path) -> None:
    path = tmp_path / "signing.pem"
    started = [threading.Thread(target=make_signing_key, args=(path,)) for _ in range(8)]
    for thread in started:
        thread.start()
    for thread in started:
        thread.join()
    assert read_signing_key(path)
    assert list(tmp_path.iterdir()) == [path]


def test_its_public_half_is_what_verifiers_get(file: Path) -> None:
    key = read_signing_key(file)
    assert key_id(parse_public_key(public_pem(key).encode())) == key_id(key.public_key())


def test_a_key_that_is_missing_open_to_others_or_none_is_refused(file: Path, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match="There is no signing key at"):
        read_signing_key(tmp_path / "none.pem")
    file.chmod(0o644)
    with pytest.raises(Unavailable, match="Others may read the signing key") as refusal:
        read_signing_key(file)
    assert refusal.value.remedy == f"An operator runs: chmod 600 {file}"
    file.chmod(0o600)
    file.write_bytes(b"secret")
    with pytest.raises(Unavailable, match="holds no Ed25519 private key in PEM") as refusal:
        read_signing_key(file)
    assert "secret" not in str(refusal.value)


def test_a_key_of_another_kind_is_refused() -> None:
    pem = X25519PrivateKey.generate().private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(Unavailable, match="LIRF_SIGNING_KEY holds no Ed25519 private key"):
        parse_signing_key(pem, "LIRF_SIGNING_KEY")
