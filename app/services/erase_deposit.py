"""Erase a deposit: its module's bytes are deleted, and the target net can never be made to remember."""

from app.db.repositories import artifacts
from app.db.session import Sessions
from app.domain.errors import Conflict, Gone
from app.domain.lifecycle import DepositState, advance_deposit
from app.domain.rights import Action, Caller
from app.services.find import find_deposit
from app.services.views import DepositView, deposit_view


def erase_deposit(sessions: Sessions, caller: Caller, deposit_id: str) -> DepositView:
    """Delete every module version of a sealed deposit.

    Raises:
        NotFound: unknown, or not the caller's.
        Gone: erased already.
        Conflict: not sealed; cancel its job instead.
    """
    with sessions.write() as session:
        deposit = find_deposit(session, caller, deposit_id, Action.ERASE_DEPOSIT)
        if deposit.state == DepositState.ERASED:
            raise Gone(
                f"Deposit {deposit_id} was erased for ever.", "There is nothing left of it.", "deposit"
            )
        if deposit.state != DepositState.SEALED:
            raise Conflict(
                f"Deposit {deposit_id} is {deposit.state}, not sealed.",
                f"Cancel its job with DELETE /jobs/{deposit.job_id}.",
                "deposit",
            )
        deposit.state = advance_deposit(DepositState.SEALED, DepositState.ERASED)
        digests = {module.digest for module in deposit.modules if module.digest is not None}
        for module in deposit.modules:
            module.digest = None
        session.flush()
        artifacts.delete_unreferenced(session, digests)
        erased = deposit_view(deposit)
    sessions.scrub()
    return erased
