"""What a sweep takes away, and what it leaves alone."""

from collections.abc import Callable

from sqlalchemy import select

from app.config import Settings
from app.db.keystore.models import DataKey
from app.services.relay_jobs import sweep
from app.services.run_job import run_job
from app.services.views import AcceptedView
from app.vault.vault import Vault


def live_keys(vault: Vault) -> set[str]:
    with vault.key_store.read() as session:
        return set(session.scalars(select(DataKey.id).where(DataKey.wrapped.is_not(None))))


def test_data_keys_of_broken_deposits_are_destroyed_and_those_in_use_stay(
    vault: Vault, settings: Settings, ask_deposit: Callable[..., AcceptedView]
) -> None:
    run_job(vault, settings, ask_deposit("3", keep_original=True).job)
    used = live_keys(vault)
    assert len(used) == 3  # the module's, the kept original's and the kept images'
    orphan = vault.new_key()
    sweep(vault, settings)
    assert live_keys(vault) == {*used, orphan}  # it is young: its deposit may be about to commit
    sweep(vault, settings.model_copy(update={"sweep_after_seconds": 1e-6}))
    assert live_keys(vault) == used
