"""``/audit``: the ledger of decisions, and its signed head."""

from typing import Annotated

from fastapi import APIRouter, Query

from app.api.dependencies import CallerDep, ContextDep
from app.domain.ledger import Entry
from app.services.show_ledger import list_entries, signed_head
from app.services.views import LedgerHeadView
from app.vault.opening import signing_key

router = APIRouter(prefix="/audit", tags=["audit"])


@router.get("")
def get_entries(
    context: ContextDep,
    caller: CallerDep,
    limit: Annotated[int, Query(ge=1, le=1000, description="Most entries to return.")] = 100,
    after: Annotated[int, Query(ge=0, le=2**31 - 1, description="The last number of the page before.")] = 0,
) -> list[Entry]:
    """The ledger in order; an owner sees what concerns them, and so not a whole chain."""
    return list_entries(context.sessions, caller, limit, after)


@router.get("/head")
def get_head(context: ContextDep, _caller: CallerDep) -> LedgerHeadView:
    """The newest entry's hash, signed: keep it, and nobody can rewrite the ledger before it unseen."""
    return signed_head(context.sessions, signing_key(context.settings))
