"""A signed statement of what a deposit forgot, how, and how well."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.db.repositories import ledger
from app.db.session import Sessions
from app.domain.certificate import PAYLOAD_TYPE, Facts, statement
from app.domain.errors import Conflict
from app.domain.lifecycle import DEPOSIT_FORGOTTEN, DepositState
from app.domain.rights import Action, Caller
from app.services.find import find_deposit
from app.services.views import CertificateView
from app.vault.dsse import sign
from app.vault.signing import public_pem


def certify_deposit(
    sessions: Sessions, key: Ed25519PrivateKey, caller: Caller, deposit_id: str
) -> CertificateView:
    """The certificate of a sealed deposit, and of one that was erased since: then it says that, too.

    Raises:
        NotFound: unknown, or not the caller's.
        Conflict: not sealed yet.
    """
    with sessions.read() as session:
        row = find_deposit(session, caller, deposit_id, Action.READ_DEPOSIT)
        if DepositState(row.state) not in DEPOSIT_FORGOTTEN:
            raise Conflict(
                f"Deposit {row.id} is {row.state}, not sealed: there is nothing to certify.",
                f"Wait for job {row.job_id} to succeed.",
                "deposit",
            )
        facts = Facts(
            deposit=row.id,
            model=row.model.name,
            set_digest=row.set_digest,
            set_size=row.set_size,
            salt=row.salt,
            objective=row.config["objective"],
            config=row.config,
            metrics=row.metrics,
            audits=row.audits,
            entries=ledger.of_subject(session, row.id),
        )
    if not any(entry.decision == "deposit.sealed" for entry in facts.entries):
        raise Conflict(
            f"Deposit {row.id} was sealed before this service kept a ledger.",
            "Deposits from now on can be certified.",
            "deposit",
        )
    envelope = sign(PAYLOAD_TYPE, statement(facts), key)
    return CertificateView(dict(envelope), public_pem(key), facts.salt)
