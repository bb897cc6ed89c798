from collections.abc import Callable
from datetime import timedelta

import pytest

from app.config import Settings
from app.db.repositories import jobs
from app.db.session import Sessions
from app.domain.rights import Caller
from app.services.deposit_ground import survey
from app.services.erase_deposit import erase_deposit
from app.services.roll_back_model import roll_back
from app.services.run_job import run_job
from app.services.views import AcceptedView
from app.vault.vault import Vault

NOW = timedelta(0)

Ask = Callable[..., AcceptedView]


def absent(sessions: Sessions, job_id: str) -> tuple[int, ...]:
    with sessions.read() as session:
        job = jobs.get(session, job_id)
    assert job is not None
    return survey(sessions, job).absent


@pytest.mark.parametrize("afterwards", ["sealed", "erased"])
def test_a_class_deposited_before_stays_absent_even_when_its_deposit_was_erased(
    vault: Vault,
    sqlite_sessions: Sessions,
    settings: Settings,
    owner: Caller,
    ask_deposit: Ask,
    afterwards: str,
) -> None:
    first = ask_deposit("3", seal_rows=False)
    assert absent(sqlite_sessions, first.job) == ()
    run_job(vault, settings, first.job)
    if afterwards == "erased":
        erase_deposit(vault, owner, first.deposits[0], NOW)
    assert absent(sqlite_sessions, ask_deposit("5", seal_rows=False).job) == (3,)


def test_a_model_rolled_back_before_a_deposit_still_knows_its_class(
    vault: Vault, sqlite_sessions: Sessions, settings: Settings, owner: Caller, ask_deposit: Ask
) -> None:
    run_job(vault, settings, ask_deposit("3", keep_original=True).job)
    roll_back(sqlite_sessions, owner, "tiny", 1)
    assert absent(sqlite_sessions, ask_deposit("5").job) == ()
