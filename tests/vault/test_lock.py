"""Sealing reaches every process; sealed, no process holds a key, and each says why it refuses."""

from collections.abc import Callable
from pathlib import Path

import pytest

from app.config import Settings
from app.db.session import Sessions
from app.domain.errors import VaultSealed
from app.vault.keyring import Keyring, new_keyring
from app.vault.lock import LOOK_AGAIN_SECONDS, Lock
from app.vault.opening import open_vault, prepare_vault
from app.vault.vault import Vault
from app.vault.wrapping import KeyUnavailableError


class Clock:
    """Time that passes when it is told to."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lock_of(vault: Vault, clock: Clock) -> Callable[..., Lock]:
    """The lock as one more process has it."""

    def make(open_provider: Callable[[], Keyring] = new_keyring) -> Lock:
        return Lock(vault.key_store, open_provider, clock)

    return make


def test_an_open_vault_opens_its_keys_once(lock_of: Callable[..., Lock], clock: Clock) -> None:
    lock = lock_of()
    first = lock.provider()
    clock.now += 10
    assert lock.provider() is first
    assert not lock.state().sealed


def test_sealing_reaches_every_process_within_the_time_that_is_told(
    lock_of: Callable[..., Lock], clock: Clock
) -> None:
    here, there = lock_of(), lock_of()
    assert there.provider()
    state = here.seal("root", "a laptop was stolen")
    assert (state.reason, state.by) == ("a laptop was stolen", "root")
    clock.now += LOOK_AGAIN_SECONDS
    for lock in (here, there):
        with pytest.raises(VaultSealed, match="The vault is sealed: a laptop was stolen") as refusal:
            lock.require_open()
        assert "lirf vault unseal" in refusal.value.remedy
    assert LOOK_AGAIN_SECONDS <= 1


def test_sealed_no_process_holds_a_key(lock_of: Callable[..., Lock], clock: Clock) -> None:
    lock = lock_of()
    ring = lock.provider()
    assert any(value is ring for value in vars(lock).values())
    lock.seal("root", "audit")
    clock.now += LOOK_AGAIN_SECONDS
    lock.state()
    assert not any(value is ring for value in vars(lock).values())


def test_sealing_again_keeps_the_first_reason_and_unsealing_opens(lock_of: Callable[..., Lock]) -> None:
    lock = lock_of()
    lock.seal("root", "first")
    assert lock.seal("other", "second").reason == "first"
    assert not lock.unseal().sealed
    assert lock.provider()


def test_keys_that_come_back_open_the_vault_by_themselves(lock_of: Callable[..., Lock], clock: Clock) -> None:
    present: list[Keyring] = []

    def fetch() -> Keyring:
        if not present:
            raise KeyUnavailableError("The key is on its way.")
        return present[0]

    lock = lock_of(fetch)
    assert lock.state().reason == "The key is on its way."
    with pytest.raises(VaultSealed, match="The key is on its way"):
        lock.provider()
    present.append(new_keyring())
    clock.now += LOOK_AGAIN_SECONDS
    assert lock.provider() is present[0]


def test_the_first_start_makes_a_keyring_and_the_second_keeps_it(
    tmp_path: Path, sqlite_sessions: Sessions
) -> None:
    settings = Settings(data_dir=tmp_path)
    kept = []
    for _ in range(2):
        vault = open_vault(settings, sqlite_sessions)
        prepare_vault(settings, vault)
        assert not vault.lock.state().sealed
        kept.append(settings.keyring_file.read_bytes())
        vault.close()
    assert kept[0] == kept[1]
    assert settings.keyring_file.stat().st_mode & 0o777 == 0o600


def test_a_later_start_without_its_keyring_makes_none(tmp_path: Path, sqlite_sessions: Sessions) -> None:
    settings = Settings(data_dir=tmp_path)
    for _ in range(2):
        vault = open_vault(settings, sqlite_sessions)
        prepare_vault(settings, vault)
        settings.keyring_file.unlink(missing_ok=True)
        vault.close()
    assert not settings.keyring_file.exists()
    late = open_vault(settings, sqlite_sessions)
    assert "There is no keyring at" in (late.lock.state().reason or "")
    late.close()


def test_the_key_store_of_an_sqlite_service_must_be_a_file_of_its_own(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'lirf.db'}"
    with pytest.raises(ValueError, match="the key store of an SQLite service must be a file of its own"):
        Settings(data_dir=tmp_path, database_url=url, key_store_url=url)
    assert Settings(data_dir=tmp_path).key_store_url == f"sqlite:///{tmp_path / 'vault' / 'keys.db'}"


def test_on_a_server_the_data_keys_have_tables_of_their_own_or_a_database_of_their_own() -> None:
    url = "postgresql://db/lirf"
    assert Settings(database_url=url).key_store_url == url
    assert Settings(database_url=url, key_store_url="postgresql://kms/keys").key_store_url.endswith(
        "kms/keys"
    )
