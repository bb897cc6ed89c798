"""``/grants``: the right to withdraw."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from app.api.dependencies import CallerDep, ContextDep, IdempotencyKey, PageDep, created, repeatable
from app.api.links import ID, linked
from app.api.schemas.rights import GrantBody
from app.services.idempotency import create_once
from app.services.manage_grants import create_grant, list_grants, revoke_grant
from app.services.views import GrantView

router = APIRouter(prefix="/grants", tags=["rights"])


@router.post(
    "", status_code=201, response_model=GrantView, responses={201: linked(delete_grant={"grant_id": ID})}
)
def make_grant(
    body: GrantBody, context: ContextDep, caller: CallerDep, key: IdempotencyKey = None
) -> JSONResponse:
    answer = create_once(
        context.sessions,
        caller,
        repeatable("POST /grants", key, body.model_dump()),
        lambda session: create_grant(
            session,
            caller,
            principal=body.principal,
            deposit=body.deposit,
            model=body.model,
            expires_at=body.expires_at,
        ),
    )
    return created(answer, f"/grants/{answer['id']}")


@router.get("")
def get_grants(context: ContextDep, caller: CallerDep, page: PageDep) -> list[GrantView]:
    """The grants that the caller gave or holds; all of them for an admin."""
    return list_grants(context.sessions, caller, page.limit, page.after)


@router.delete("/{grant_id}")
def delete_grant(grant_id: str, context: ContextDep, caller: CallerDep) -> GrantView:
    """Take a right back; withdrawals made by it stop with the next prediction."""
    return revoke_grant(context.sessions, caller, grant_id)
