"""Erase a deposit in two phases: disabled, so that nobody is answered by it, then shredded, keys first."""

from collections.abc import Sequence
from datetime import datetime, timedelta

import structlog

from app.db.models import Deposit, ModelVersion, utc_now
from app.db.repositories import artifacts, deposits, models
from app.db.session import Session, Sessions
from app.domain.errors import Conflict, Gone
from app.domain.ledger import Decision
from app.domain.lifecycle import DepositState, advance_deposit
from app.domain.rights import Action, Caller
from app.services.describe_rows import deposit_view
from app.services.expiry import until
from app.services.find import find_deposit
from app.services.record_decision import record_decision
from app.services.views import DepositView
from app.vault.vault import Vault

log = structlog.get_logger(__name__)


def erase_deposit(vault: Vault, caller: Caller, deposit_id: str, after: timedelta) -> DepositView:
    """Disable a sealed deposit at once, and erase it for ever when ``after`` has passed; zero erases it now.

    A disabled deposit can be told to be erased sooner or later than was said first.

    Raises:
        NotFound: unknown, or not the caller's.
        Gone: erased already.
        Conflict: not sealed, so that its job is to be cancelled instead; or the model is served by an original that
            still knows it.
    """
    with vault.sessions.write() as session:
        deposit = find_deposit(session, caller, deposit_id, Action.ERASE_DEPOSIT)
        _require_erasable(deposit)
        knowing = _versions_that_know(session, deposit)
        if after:
            _disable(session, caller, deposit, utc_now() + after)
        else:
            _erase(vault, session, caller, deposit, knowing)
        view = deposit_view(deposit)
    vault.sessions.scrub()
    return view


def enable_deposit(sessions: Sessions, caller: Caller, deposit_id: str) -> DepositView:
    """Take a disabled deposit's coming erasure back.

    Raises:
        NotFound: unknown, or not the caller's.
        Gone: erased already.
        Conflict: not disabled.
    """
    with sessions.write() as session:
        deposit = find_deposit(session, caller, deposit_id, Action.ERASE_DEPOSIT)
        if deposit.state == DepositState.ERASED:
            raise _gone(deposit)
        if deposit.state != DepositState.DISABLED:
            raise Conflict(f"Deposit {deposit.id} is {deposit.state}, not disabled.", "", "deposit")
        deposit.state = advance_deposit(DepositState.DISABLED, DepositState.SEALED)
        deposit.erase_at = None
        record_decision(session, caller, Decision.DEPOSIT_ENABLED, deposit.id, owner=deposit.owner_id)
        return deposit_view(deposit)


def erase_due(vault: Vault) -> int:
    """Erase the disabled deposits whose time has come; how many.

    One whose model has meanwhile been rolled back to an original that knows it waits, disabled, until it is not served.
    """
    with vault.sessions.read() as session:
        due = deposits.due_for_erasure(session)
    erased = 0
    for deposit_id in due:
        with vault.sessions.write() as session:
            deposit = deposits.get(session, deposit_id)
            if deposit is None or deposit.state != DepositState.DISABLED:
                continue
            try:
                knowing = _versions_that_know(session, deposit)
            except Conflict as refusal:
                log.warning("erasure_waits", deposit=deposit_id, reason=refusal.detail)
                continue
            _erase(vault, session, None, deposit, knowing)
            erased += 1
    if erased:
        vault.sessions.scrub()
    return erased


def still_sealed(sessions: Sessions, names: set[str]) -> set[str]:
    """Those of the sealed artifacts that a module or a kept original still names."""
    with sessions.read() as session:
        return artifacts.named_among(session, names)


def _disable(session: Session, caller: Caller, deposit: Deposit, at: datetime) -> None:
    if deposit.state == DepositState.SEALED:
        deposit.state = advance_deposit(DepositState.SEALED, DepositState.DISABLED)
    deposit.erase_at = at
    facts = {"erase_at": until(at)}
    record_decision(
        session, caller, Decision.DEPOSIT_DISABLED, deposit.id, owner=deposit.owner_id, facts=facts
    )


def _erase(
    vault: Vault, session: Session, caller: Caller | None, deposit: Deposit, knowing: Sequence[ModelVersion]
) -> None:
    """Destroy what opens the deposit: every module version, its kept images, and every original that knows it.

    The keys go first: whatever happens then, and whatever copies of the database there are, nothing opens again.
    """
    deposit.state = advance_deposit(DepositState(deposit.state), DepositState.ERASED)
    deposit.erase_at = None
    keys = [module.key_id for module in deposit.modules] + [version.key_id for version in knowing]
    keys.append(deposit.images_key_id)
    vault.destroy(*(key for key in keys if key is not None))
    digests = {module.digest for module in deposit.modules if module.digest is not None}
    digests |= {
        digest for version in knowing for digest in (version.shallow_digest, version.head_digest) if digest
    }
    if deposit.images_digest is not None:
        digests.add(deposit.images_digest)
        deposit.images_digest = None
    for module in deposit.modules:
        module.digest = None
    for version in knowing:
        version.shallow_digest = version.head_digest = None
    session.flush()
    artifacts.delete_unreferenced(session, digests)
    facts = {"model": deposit.model_id, "originals": [version.number for version in knowing]}
    record_decision(session, caller, Decision.DEPOSIT_ERASED, deposit.id, owner=deposit.owner_id, facts=facts)


def _require_erasable(deposit: Deposit) -> None:
    if deposit.state == DepositState.ERASED:
        raise _gone(deposit)
    if deposit.state not in {DepositState.SEALED, DepositState.DISABLED}:
        raise Conflict(
            f"Deposit {deposit.id} is {deposit.state}, not sealed.",
            f"Cancel its job with DELETE /jobs/{deposit.job_id}.",
            "deposit",
        )


def _gone(deposit: Deposit) -> Gone:
    return Gone(f"Deposit {deposit.id} was erased for ever.", "There is nothing left of it.", "deposit")


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
