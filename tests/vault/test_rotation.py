"""A rotation wraps every data key anew, while others read and seal, and goes on where it was broken off."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import select

from app.config import Settings
from app.db.keystore.models import DataKey
from app.db.session import Sessions
from app.domain.errors import VaultSealed
from app.vault import rotation
from app.vault.keyring import read_keyring, write_keyring
from app.vault.opening import open_vault
from app.vault.sealing import Label
from app.vault.vault import Seal, Vault

KEYS = 7


@pytest.fixture
def keyring_file(vault: Vault, tmp_path: Path) -> Path:
    assert not vault.lock.state().sealed
    return Settings(data_dir=tmp_path).keyring_file


@pytest.fixture
def few_at_once(monkeypatch: pytest.MonkeyPatch) -> int:
    monkeypatch.setattr(rotation, "KEYS_AT_ONCE", 3)
    return 3


@pytest.fixture
def sealed(vault: Vault) -> list[tuple[str, Seal, bytes]]:
    seals = [Seal(vault.new_key(), Label("prn_1", f"dep_{number}", 1, "module")) for number in range(KEYS)]
    secrets = [f"knowledge {number}".encode() for number in range(KEYS)]
    return [(vault.put(secret, seal), seal, secret) for seal, secret in zip(seals, secrets, strict=True)]


@pytest.fixture
def other_process(vault: Vault, sqlite_sessions: Sessions, tmp_path: Path) -> Iterator[Vault]:
    """The same vault in another process, which has seen the old key."""
    assert vault
    opened = open_vault(Settings(data_dir=tmp_path), sqlite_sessions)
    assert opened.lock.provider()
    yield opened
    opened.close()


def wrapping_keys(vault: Vault) -> set[str]:
    with vault.key_store.read() as session:
        return set(session.scalars(select(DataKey.kek_id)))


def all_open(vault: Vault, sealed: list[tuple[str, Seal, bytes]]) -> bool:
    return all(vault.get(name, seal) == secret for name, seal, secret in sealed)


def test_a_rotation_leaves_one_key_and_everything_opens_in_every_process(
    vault: Vault, other_process: Vault, keyring_file: Path, sealed: list[tuple[str, Seal, bytes]]
) -> None:
    old = read_keyring(keyring_file).newest
    new = rotation.begin(vault, keyring_file)
    done = rotation.step(vault)
    rotation.finish(vault, keyring_file)
    assert (done.key_id, done.wrapped, done.left) == (new, KEYS, 0)
    assert new != old
    assert wrapping_keys(vault) == set(read_keyring(keyring_file).keys) == {new}
    assert all_open(vault, sealed)
    assert all_open(other_process, sealed)


def test_a_process_that_has_not_heard_of_the_rotation_wraps_under_the_new_key(
    vault: Vault, other_process: Vault, keyring_file: Path, sealed: list[tuple[str, Seal, bytes]]
) -> None:
    assert sealed
    new = rotation.begin(vault, keyring_file)
    key_id = other_process.new_key()
    with vault.key_store.read() as session:
        assert session.get_one(DataKey, key_id).kek_id == new


def test_a_rotation_that_is_broken_off_goes_on_where_it_was(
    vault: Vault,
    other_process: Vault,
    keyring_file: Path,
    sealed: list[tuple[str, Seal, bytes]],
    few_at_once: int,
) -> None:
    new = rotation.begin(vault, keyring_file)
    first = rotation.step(vault)
    assert (first.wrapped, first.left) == (few_at_once, KEYS - few_at_once)
    assert len(wrapping_keys(vault)) == 2
    assert rotation.under_way(other_process)
    rotation.finish(vault, keyring_file)  # does nothing yet: the old key still opens something
    assert len(read_keyring(keyring_file).keys) == 2
    assert all_open(other_process, sealed)
    while rotation.step(other_process).left:
        pass
    rotation.finish(other_process, keyring_file)
    assert wrapping_keys(vault) == set(read_keyring(keyring_file).keys) == {new}
    assert all_open(vault, sealed)


def test_a_rotation_that_broke_off_before_others_were_told_tells_them_when_it_goes_on(
    vault: Vault, other_process: Vault, keyring_file: Path, sealed: list[tuple[str, Seal, bytes]]
) -> None:
    write_keyring(keyring_file, read_keyring(keyring_file).rotated())  # as far as `begin` got
    assert rotation.under_way(vault)
    new = rotation.step(vault).key_id
    key_id = other_process.new_key()
    with vault.key_store.read() as session:
        assert session.get_one(DataKey, key_id).kek_id == new == read_keyring(keyring_file).newest
    rotation.finish(vault, keyring_file)
    assert all_open(other_process, sealed)


@pytest.mark.usefixtures("few_at_once")
def test_no_read_fails_while_keys_are_rotated(
    vault: Vault, other_process: Vault, keyring_file: Path, sealed: list[tuple[str, Seal, bytes]]
) -> None:
    stop, failures, reads = threading.Event(), [], []

    def read() -> None:
        while not stop.is_set():
            try:
                reads.append(all_open(other_process, sealed))
            except Exception as error:  # noqa: BLE001  any failure at all is one too many
                failures.append(error)

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(3):
        rotation.begin(vault, keyring_file)
        while rotation.step(vault).left:
            pass
        rotation.finish(vault, keyring_file)
    stop.set()
    reader.join()
    assert failures == []
    assert reads
    assert all(reads)


def test_a_rotation_without_the_old_key_stops_and_loses_nothing(
    vault: Vault, keyring_file: Path, sealed: list[tuple[str, Seal, bytes]]
) -> None:
    ring = read_keyring(keyring_file)
    fresh = ring.rotated()
    write_keyring(keyring_file, fresh.only(fresh.newest))
    vault.lock.reload()
    with pytest.raises(VaultSealed, match=f"The rotation stopped: Key {ring.newest} is not in the keyring"):
        rotation.step(vault)
    write_keyring(keyring_file, fresh)
    vault.lock.reload()
    assert rotation.step(vault).left == 0
    assert all_open(vault, sealed)
