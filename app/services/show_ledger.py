"""Read the ledger, and its head signed."""

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from app.db.models import utc_now
from app.db.repositories import ledger
from app.db.session import Sessions
from app.domain.ledger import HEAD_TYPE, Entry, instant
from app.domain.rights import Action, Caller, Reach, reach_of
from app.services.find import require
from app.services.views import LedgerHeadView
from app.vault.dsse import sign
from app.vault.signing import public_pem


def list_entries(sessions: Sessions, caller: Caller, limit: int, after: int) -> list[Entry]:
    """All entries in order for an admin; for an owner those about what is theirs, or made by them."""
    require(caller, Action.READ_LEDGER, caller.principal_id)
    own = reach_of(caller, Action.READ_LEDGER) is Reach.OWN
    with sessions.read() as session:
        return ledger.page(
            session,
            after=after,
            limit=limit,
            owner=caller.principal_id if own else None,
            actor=caller.name if own else None,
        )


def signed_head(sessions: Sessions, key: Ed25519PrivateKey) -> LedgerHeadView:
    """The newest entry's number and hash, signed: whoever keeps it can tell later whether the ledger was rewritten."""
    with sessions.read() as session:
        seq, newest = ledger.head(session)
    at = instant(utc_now())
    envelope = sign(HEAD_TYPE, {"seq": seq, "hash": newest, "at": at}, key)
    return LedgerHeadView(seq, newest, at, dict(envelope), public_pem(key))
