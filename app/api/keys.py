"""``/keys``: principals and their API keys; for admins."""

from fastapi import APIRouter
from fastapi.responses import JSONResponse

from app.api.dependencies import CallerDep, ContextDep, IdempotencyKey, PageDep, created, repeatable
from app.api.links import ID, linked
from app.api.schemas.rights import KeyBody
from app.services.idempotency import create_once
from app.services.manage_keys import create_key, list_keys, revoke_key
from app.services.views import KeyView, NewKeyView

router = APIRouter(prefix="/keys", tags=["rights"])


@router.post(
    "", status_code=201, response_model=NewKeyView, responses={201: linked(delete_key={"key_id": ID})}
)
def make_key(
    body: KeyBody, context: ContextDep, caller: CallerDep, key: IdempotencyKey = None
) -> JSONResponse:
    """Make a key; its text is shown this once, a repeat with the same Idempotency-Key shows null."""
    answer = create_once(
        context.sessions,
        caller,
        repeatable("POST /keys", key, body.model_dump()),
        lambda session: create_key(
            session, caller, principal=body.principal, role=body.role, expires_at=body.expires_at
        ),
        shown_once=["key"],
    )
    return created(answer, f"/keys/{answer['id']}")


@router.get("")
def get_keys(context: ContextDep, caller: CallerDep, page: PageDep) -> list[KeyView]:
    return list_keys(context.sessions, caller, page.limit, page.after)


@router.delete("/{key_id}")
def delete_key(key_id: str, context: ContextDep, caller: CallerDep) -> KeyView:
    """Revoke a key; it fails from now on."""
    return revoke_key(context.sessions, caller, key_id)
