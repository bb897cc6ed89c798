"""``/withdrawals``: be answered by the recover net, and end it."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from app.api.dependencies import CallerDep, ContextDep, IdempotencyKey, PageDep, created, repeatable
from app.api.links import ID, linked
from app.api.schemas.rights import WithdrawalBody
from app.services.idempotency import create_once
from app.services.views import WithdrawalView
from app.services.withdraw import create_withdrawal, end_withdrawal, list_withdrawals

router = APIRouter(prefix="/withdrawals", tags=["withdrawals"])


@router.post(
    "",
    status_code=201,
    response_model=WithdrawalView,
    responses={201: linked(delete_withdrawal={"withdrawal_id": ID})},
)
def withdraw(
    body: WithdrawalBody, context: ContextDep, caller: CallerDep, key: IdempotencyKey = None
) -> JSONResponse:
    """Restore deposits for the caller, a principal, or everyone: 403 without the right, 410 once erased."""
    answer = create_once(
        context.sessions,
        caller,
        repeatable("POST /withdrawals", key, body.model_dump()),
        lambda session: create_withdrawal(session, context.vault.lock, caller, body.order()),
    )
    return created(answer, f"/withdrawals/{answer['id']}")


@router.get("")
def get_withdrawals(context: ContextDep, caller: CallerDep, page: PageDep) -> list[WithdrawalView]:
    return list_withdrawals(context.sessions, caller, page.limit, page.after)


@router.delete("/{withdrawal_id}")
def delete_withdrawal(withdrawal_id: str, context: ContextDep, caller: CallerDep) -> WithdrawalView:
    """Lock the knowledge again; the next prediction is the target net's."""
    return end_withdrawal(context.sessions, caller, withdrawal_id)
