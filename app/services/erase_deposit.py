"""Erase a deposit: its keys are destroyed, then its bytes, and the target net can never be made to remember."""

from collections.abc import Sequence

from app.db.models import Deposit, ModelVersion
from app.db.repositories import artifacts, models
from app.db.session import Session
from app.domain.errors import Conflict, Gone
from app.domain.ledger import Decision
from app.domain.lifecycle import DepositState, advance_deposit
from app.domain.rights import Action, Caller
from app.services.find import find_deposit
from app.services.record_decision import record_decision
from app.services.views import DepositView, deposit_view
from app.vault.vault import Vault


def erase_deposit(vault: Vault, caller: Caller, deposit_id: str) -> DepositView:
    """Destroy what opens a sealed deposit: every module version, and every kept original that still knows it.

    The keys go first: whatever happens then, and whatever copies of the database there are, nothing opens again.

    Raises:
        NotFound: unknown, or not the caller's.
        Gone: erased already.
        Conflict: not sealed, so that its job is to be cancelled instead; or the model is served by an original that
            still knows it.
    """
    with vault.sessions.write() as session:
        deposit = find_deposit(session, caller, deposit_id, Action.ERASE_DEPOSIT)
        _require_sealed(deposit)
        knowing = _versions_that_know(session, deposit)
        deposit.state = advance_deposit(DepositState.SEALED, DepositState.ERASED)
        keys = [module.key_id for module in deposit.modules] + [version.key_id for version in knowing]
        vault.destroy(*(key for key in keys if key is not None))
        digests = {module.digest for module in deposit.modules if module.digest is not None}
        digests |= {
            digest
            for version in knowing
            for digest in (version.shallow_digest, version.head_digest)
            if digest
        }
        for module in deposit.modules:
            module.digest = None
        for version in knowing:
            version.shallow_digest = version.head_digest = None
        session.flush()
        artifacts.delete_unreferenced(session, digests)
        facts = {"model": deposit.model_id, "originals": [version.number for version in knowing]}
        record_decision(
            session, caller, Decision.DEPOSIT_ERASED, deposit.id, owner=deposit.owner_id, facts=facts
        )
        erased = deposit_view(deposit)
    vault.sessions.scrub()
    return erased


def _require_sealed(deposit: Deposit) -> None:
    if deposit.state == DepositState.ERASED:
        raise Gone(f"Deposit {deposit.id} was erased for ever.", "There is nothing left of it.", "deposit")
    if deposit.state != DepositState.SEALED:
        raise Conflict(
            f"Deposit {deposit.id} is {deposit.state}, not sealed.",
            f"Cancel its job with DELETE /jobs/{deposit.job_id}.",
            "deposit",
        )


def _versions_that_know(session: Session, deposit: Deposit) -> Sequence[ModelVersion]:
    """Versions that did not come from the deposit's target, none of which may be the one that is served."""
    knowing = [
        version
        for version in models.with_weights(session, deposit.model_id)
        if deposit.target_version not in models.lineage(session, deposit.model_id, version.number)
    ]
    if deposit.model.current in {version.number for version in knowing}:
        raise Conflict(
            f"{deposit.model.name!r} is served by version {deposit.model.current}, which still knows {deposit.id}.",
            f"Roll it back to version {deposit.target_version} first.",
            "deposit",
        )
    return knowing
