"""Key-encryption keys in a file or the environment: right ones unwrap, others say what is wrong and how to mend it."""

import base64
import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.vault.keyring import Keyring, check_value, new_keyring, parse_keyring, read_keyring, write_keyring
from app.vault.sealing import new_data_key
from app.vault.wrapping import KeyUnavailableError, UnwrapError, WrongKeyError

DATA_KEY = new_data_key()


@pytest.fixture
def ring() -> Keyring:
    return new_keyring()


@pytest.fixture
def kept(ring: Keyring, tmp_path: Path) -> Path:
    path = tmp_path / "keys" / "keyring.json"
    write_keyring(path, ring)
    return path


def test_a_data_key_comes_back_under_its_name_alone(ring: Keyring) -> None:
    wrapped = ring.wrap(DATA_KEY, "key_1")
    assert wrapped.key_id == ring.active()
    assert DATA_KEY not in wrapped.data
    assert ring.unwrap(wrapped, "key_1") == DATA_KEY
    with pytest.raises(UnwrapError, match="key_2 does not unwrap"):
        ring.unwrap(wrapped, "key_2")


def test_the_same_data_key_is_never_wrapped_alike_twice(ring: Keyring) -> None:
    assert ring.wrap(DATA_KEY, "key_1").data != ring.wrap(DATA_KEY, "key_1").data


@given(place=st.integers(0, 59), bit=st.integers(0, 7))
def test_a_flipped_bit_of_a_wrapped_key_is_found(place: int, bit: int) -> None:
    ring = new_keyring()
    wrapped = ring.wrap(DATA_KEY, "key_1")
    altered = bytearray(wrapped.data)
    altered[place] ^= 1 << bit
    with pytest.raises(UnwrapError):
        ring.unwrap(replace(wrapped, data=bytes(altered)), "key_1")


@pytest.mark.parametrize("length", [0, 5, 12, 20])
def test_a_shortened_wrapped_key_is_found(ring: Keyring, length: int) -> None:
    wrapped = ring.wrap(DATA_KEY, "key_1")
    with pytest.raises(UnwrapError):
        ring.unwrap(replace(wrapped, data=wrapped.data[:length]), "key_1")


def test_after_a_rotation_the_new_key_wraps_and_the_old_one_still_unwraps(ring: Keyring) -> None:
    before = ring.wrap(DATA_KEY, "key_1")
    rotated = ring.rotated()
    after = rotated.wrap(DATA_KEY, "key_1")
    assert after.key_id != before.key_id
    assert rotated.unwrap(before, "key_1") == rotated.unwrap(after, "key_1") == DATA_KEY
    with pytest.raises(KeyUnavailableError, match=f"Key {before.key_id} is not in the keyring"):
        rotated.only(after.key_id).unwrap(before, "key_1")


def test_another_key_of_the_same_id_is_told_from_tampering(ring: Keyring) -> None:
    impostor = Keyring(ring.newest, {ring.newest: new_data_key()})
    with pytest.raises(WrongKeyError, match="is not the one that sealed the vault"):
        impostor.unwrap(ring.wrap(DATA_KEY, "key_1"), "key_1")


def test_check_values_tell_keys_apart_and_hold_nothing_of_them() -> None:
    assert check_value(DATA_KEY) == check_value(bytes(DATA_KEY)) != check_value(new_data_key())
    assert check_value(DATA_KEY) not in DATA_KEY.hex()


def test_a_keyring_comes_back_from_its_file_which_only_its_owner_can_read(ring: Keyring, kept: Path) -> None:
    assert read_keyring(kept) == ring
    assert kept.stat().st_mode & 0o777 == 0o600
    assert kept.parent.stat().st_mode & 0o777 == 0o700
    assert list(kept.parent.iterdir()) == [kept]


def test_a_keyring_does_not_print_its_keys(ring: Keyring) -> None:
    shown = repr(ring)
    assert ring.newest in shown
    assert repr(ring.keys[ring.newest]) not in shown
    assert base64.b64encode(ring.keys[ring.newest]).decode() not in shown


def test_a_keyring_that_others_may_read_is_refused(kept: Path) -> None:
    kept.chmod(0o640)
    with pytest.raises(KeyUnavailableError, match=f"Others may read the keyring. Run: chmod 600 {kept}"):
        read_keyring(kept)


def test_a_keyring_that_is_not_there_is_not_made_up(tmp_path: Path) -> None:
    with pytest.raises(KeyUnavailableError, match=r"There is no keyring at .*Put it back from its backup"):
        read_keyring(tmp_path / "keyring.json")


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("", "is not a keyring"),
        ("[]", "is not a keyring"),
        ('{"newest": "a"}', "is not a keyring"),
        ('{"newest": "a", "keys": {}}', "lacks its newest key a"),
        ('{"newest": "a", "keys": {"a": "%"}}', "Key a is not base64"),
        ('{"newest": "a", "keys": {"a": 7}}', "Key a is not base64"),
        ('{"newest": "a", "keys": {"a": "AAAA"}}', "Key a has 3 bytes instead of 32"),
    ],
)
def test_a_file_that_is_no_keyring_says_so(tmp_path: Path, content: str, problem: str) -> None:
    path = tmp_path / "keyring.json"
    path.write_text(content)
    path.chmod(0o600)
    with pytest.raises(KeyUnavailableError, match=problem):
        read_keyring(path)


def test_keys_from_the_environment_are_newest_first(ring: Keyring) -> None:
    rotated = ring.rotated()
    encoded = {name: base64.b64encode(key).decode() for name, key in rotated.keys.items()}
    text = ", ".join(f"{name}:{encoded[name]}" for name in (rotated.newest, ring.newest))
    assert parse_keyring(text) == rotated


@pytest.mark.parametrize("text", ["", " , ", "a", "a:AAAA", "a:" + "A" * 43 + "=,a:" + "A" * 43 + "="])
def test_keys_from_the_environment_that_are_not_keys_are_not_quoted(text: str) -> None:
    with pytest.raises(KeyUnavailableError) as refusal:
        parse_keyring(text)
    assert "AAAA" not in str(refusal.value)


def test_the_file_is_json_that_people_can_back_up(ring: Keyring, kept: Path) -> None:
    content = json.loads(kept.read_text())
    assert content["newest"] == ring.newest
    assert set(content["keys"]) == set(ring.keys)
