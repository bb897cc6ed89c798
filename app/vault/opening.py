"""Open the vault as the settings say, and make its first key."""

from collections.abc import Callable

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from pydantic import SecretStr

from app.config import Settings
from app.db.migrate import KEY_STORE, upgrade
from app.db.repositories import data_keys
from app.db.session import Sessions, open_sessions
from app.vault.keyring import new_keyring, parse_keyring, read_keyring, write_keyring
from app.vault.lock import Lock
from app.vault.signing import make_signing_key, parse_signing_key, read_signing_key
from app.vault.transit import Transit
from app.vault.vault import Vault
from app.vault.wrapping import KeyProvider, KeyUnavailableError


def open_vault(settings: Settings, sessions: Sessions) -> Vault:
    """The vault over an open database; it is open or sealed as its lock finds it."""
    shared = settings.key_store_url == settings.database_url
    key_store = sessions if shared else open_sessions(settings.key_store_url)
    return Vault(sessions, key_store, Lock(key_store, lambda: provider(settings)))


def provider(settings: Settings) -> KeyProvider:
    """The key-encryption keys: of a transit engine, from the environment, or in the keyring's file.

    Raises:
        KeyUnavailableError: if they are not to be had.
    """
    if settings.vault_url:
        token = settings.vault_token or SecretStr("")
        return Transit(
            settings.vault_url,
            token.get_secret_value(),
            settings.vault_transit_key,
            mount=settings.vault_transit_mount,
        )
    if settings.vault_keys is not None:
        return parse_keyring(settings.vault_keys.get_secret_value())
    return read_keyring(settings.keyring_file)


def signing_key(settings: Settings) -> Ed25519PrivateKey:
    """The key that signs ledger heads.

    Raises:
        Unavailable: if it is not to be had.
    """
    if settings.signing_key is not None:
        return parse_signing_key(settings.signing_key.get_secret_value().encode(), "LIRF_SIGNING_KEY")
    return read_signing_key(settings.signing_key_file)


def prepare_vault(settings: Settings, vault: Vault) -> None:
    """Bring the key store's schema up to date; on the very first start, make a keyring if none was given.

    A key that was lost is never replaced in silence: once the vault has had a key, a missing one leaves it sealed.
    """
    upgrade(vault.key_store, KEY_STORE)
    own_file = not settings.vault_url and settings.vault_keys is None
    with vault.key_store.write() as session:
        state = data_keys.change_state(session)
        if state.kek_id is None:
            if own_file and not settings.keyring_file.exists():
                write_keyring(settings.keyring_file, new_keyring())
            state.kek_id = _active_or_none(lambda: provider(settings))
    if settings.signing_key is None:
        make_signing_key(settings.signing_key_file)


def _active_or_none(opened: Callable[[], KeyProvider]) -> str | None:
    try:
        return opened().active()
    except KeyUnavailableError:
        return None
