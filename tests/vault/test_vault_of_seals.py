"""The vault: what is put comes back, and whatever is altered, swapped, lost or destroyed is refused by name."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import delete, select, update

from app.config import Settings
from app.db.keystore.models import DataKey
from app.db.models import Artifact, ArtifactChunk
from app.db.session import Sessions
from app.domain.errors import Damaged, Gone, VaultSealed
from app.vault.keyring import Keyring, read_keyring, write_keyring
from app.vault.opening import open_vault
from app.vault.sealing import PLAIN_CHUNK_BYTES, Label, new_data_key
from app.vault.vault import Seal, Vault

KNOWLEDGE = b"knowledge " * (2 * PLAIN_CHUNK_BYTES // 10 + 100)


@pytest.fixture
def sealed_with(vault: Vault) -> Seal:
    return Seal(vault.new_key(), Label("prn_1", "dep_1", 1, "module"))


@pytest.fixture
def name(vault: Vault, sealed_with: Seal) -> str:
    return vault.put(KNOWLEDGE, sealed_with)


@pytest.fixture
def keyring_file(tmp_path: Path, vault: Vault) -> Path:
    assert not vault.lock.state().sealed
    return Settings(data_dir=tmp_path).keyring_file


def afresh(tmp_path: Path, sessions: Sessions) -> Vault:
    """The same vault as another process opens it."""
    return open_vault(Settings(data_dir=tmp_path), sessions)


@pytest.mark.parametrize("size", [0, 1, PLAIN_CHUNK_BYTES, len(KNOWLEDGE)])
def test_what_is_put_comes_back(vault: Vault, sealed_with: Seal, size: int) -> None:
    assert vault.get(vault.put(KNOWLEDGE[:size], sealed_with), sealed_with) == KNOWLEDGE[:size]


def test_equal_knowledge_is_not_seen_to_be_equal(vault: Vault) -> None:
    seals = [Seal(vault.new_key(), Label("prn_1", f"dep_{number}", 1, "module")) for number in range(2)]
    names = [vault.put(KNOWLEDGE, seal) for seal in seals]
    with vault.sessions.read() as session:
        chunks = session.scalars(select(ArtifactChunk.data).where(ArtifactChunk.digest.in_(names))).all()
    assert len(set(names)) == 2
    assert len(set(chunks)) == len(chunks) == 6


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seq=st.integers(0, 2), place=st.integers(0, 2**31), bit=st.integers(0, 7))
def test_a_flipped_bit_of_any_chunk_is_refused(
    vault: Vault, name: str, sealed_with: Seal, seq: int, place: int, bit: int
) -> None:
    chunk = (ArtifactChunk.digest == name) & (ArtifactChunk.seq == seq)
    with vault.sessions.read() as session:
        whole = session.scalars(select(ArtifactChunk.data).where(chunk)).one()
    altered = bytearray(whole)
    altered[place % len(altered)] ^= 1 << bit
    with vault.sessions.write() as session:
        session.execute(update(ArtifactChunk).where(chunk).values(data=bytes(altered)))
    with pytest.raises(Damaged, match=f"chunk {seq} of module of dep_1 does not open"):
        vault.get(name, sealed_with)
    with vault.sessions.write() as session:
        session.execute(update(ArtifactChunk).where(chunk).values(data=whole))
    assert vault.get(name, sealed_with) == KNOWLEDGE


def test_a_missing_chunk_and_a_missing_artifact_are_refused(
    vault: Vault, name: str, sealed_with: Seal
) -> None:
    with vault.sessions.write() as session:
        session.execute(delete(ArtifactChunk).where(ArtifactChunk.seq == 2))
    with pytest.raises(Damaged, match="module of dep_1 has 2 of 3 chunks"):
        vault.get(name, sealed_with)
    with pytest.raises(Damaged, match="The sealed bytes of dep_1 are missing"):
        vault.get("0" * 64, sealed_with)


def test_swapped_rows_are_refused(vault: Vault, name: str, sealed_with: Seal) -> None:
    other = replace(sealed_with, key_id=vault.new_key(), label=replace(sealed_with.label, deposit="dep_2"))
    foreign = vault.put(KNOWLEDGE, other)
    for wrong_name, wrong_seal in (
        (foreign, sealed_with),
        (name, other),
        (name, replace(sealed_with, key_id=other.key_id)),
        (foreign, replace(other, label=sealed_with.label)),
    ):
        with pytest.raises(Damaged, match="Sealed knowledge was altered"):
            vault.get(wrong_name, wrong_seal)


def test_an_altered_size_is_refused(vault: Vault, name: str, sealed_with: Seal) -> None:
    with vault.sessions.write() as session:
        session.execute(update(Artifact).where(Artifact.digest == name).values(size=len(KNOWLEDGE) - 1))
    with pytest.raises(Damaged):
        vault.get(name, sealed_with)


def test_swapped_and_altered_wrapped_keys_are_refused(vault: Vault, name: str, sealed_with: Seal) -> None:
    other = vault.new_key()
    with vault.key_store.write() as session:
        mine, theirs = session.get_one(DataKey, sealed_with.key_id), session.get_one(DataKey, other)
        mine.wrapped, theirs.wrapped = theirs.wrapped, mine.wrapped
    with pytest.raises(Damaged, match=f"data key {sealed_with.key_id} does not unwrap"):
        vault.get(name, sealed_with)


def test_a_destroyed_data_key_is_told_from_a_lost_one(vault: Vault, name: str, sealed_with: Seal) -> None:
    vault.destroy(sealed_with.key_id)
    with pytest.raises(Gone, match="was destroyed"):
        vault.get(name, sealed_with)
    with vault.key_store.write() as session:
        session.execute(delete(DataKey))
    with pytest.raises(Gone, match="is not in the key store"):
        vault.get(name, sealed_with)


def test_no_byte_of_a_destroyed_key_is_left_in_the_key_store(vault: Vault, tmp_path: Path) -> None:
    key_id = vault.new_key()
    with vault.key_store.read() as session:
        wrapped = session.get_one(DataKey, key_id).wrapped
    files = [path for path in (tmp_path / "vault").iterdir() if path.name.startswith("keys.db")]
    assert wrapped is not None
    assert any(wrapped in path.read_bytes() for path in files)
    vault.destroy(key_id)
    assert not any(wrapped in path.read_bytes() for path in files)


def test_a_backup_of_the_artifacts_alone_restores_nothing(
    vault: Vault, sqlite_sessions: Sessions, name: str, sealed_with: Seal, tmp_path: Path
) -> None:
    with vault.key_store.write() as session:
        session.execute(delete(DataKey))
    with pytest.raises(Gone):
        afresh(tmp_path, sqlite_sessions).get(name, sealed_with)


def test_a_lost_keyring_leaves_the_vault_sealed_and_is_not_replaced(
    vault: Vault, sqlite_sessions: Sessions, name: str, sealed_with: Seal, tmp_path: Path, keyring_file: Path
) -> None:
    kept = keyring_file.read_bytes()
    keyring_file.unlink()
    late = afresh(tmp_path, sqlite_sessions)
    with pytest.raises(VaultSealed, match="There is no keyring at"):
        late.get(name, sealed_with)
    with pytest.raises(VaultSealed, match="There is no keyring at"):
        late.new_key()
    assert not keyring_file.exists()
    assert vault.get(name, sealed_with) == KNOWLEDGE  # whoever holds the key still opens it
    keyring_file.write_bytes(kept)
    keyring_file.chmod(0o600)
    assert afresh(tmp_path, sqlite_sessions).get(name, sealed_with) == KNOWLEDGE


def test_another_keyring_and_a_wrong_key_of_the_same_id_are_refused(
    sqlite_sessions: Sessions, name: str, sealed_with: Seal, tmp_path: Path, keyring_file: Path
) -> None:
    ring = read_keyring(keyring_file)
    write_keyring(keyring_file, Keyring("kek_other", {"kek_other": new_data_key()}))
    with pytest.raises(VaultSealed, match=f"Key {ring.newest} is not in the keyring"):
        afresh(tmp_path, sqlite_sessions).get(name, sealed_with)
    write_keyring(keyring_file, Keyring(ring.newest, {ring.newest: new_data_key()}))
    with pytest.raises(VaultSealed, match="is not the one that sealed the vault"):
        afresh(tmp_path, sqlite_sessions).get(name, sealed_with)
    assert json.loads(keyring_file.read_text())["newest"] == ring.newest
