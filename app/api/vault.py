"""``/vault``: is it open, seal it, open it, rotate its key."""

from typing import Annotated

from fastapi import APIRouter
from pydantic import Field

from app.api.dependencies import CallerDep, ContextDep
from app.api.schemas import Body
from app.services.manage_vault import rotate_vault, seal_vault, show_vault, unseal_vault
from app.services.views import RotationView, VaultView

router = APIRouter(prefix="/vault", tags=["vault"])


class SealBody(Body):
    reason: Annotated[str, Field(min_length=1, max_length=1000, description="Shown to whoever is refused.")]


@router.get("")
def get_vault(context: ContextDep, caller: CallerDep) -> VaultView:
    """Whether the vault is open, and which keys wrap how many data keys."""
    return show_vault(context.vault, caller)


@router.post("/seal")
def post_seal(body: SealBody, context: ContextDep, caller: CallerDep) -> VaultView:
    """Drop the keys from every process: targets are served on, deposits and withdrawals answer 503."""
    view = seal_vault(context.vault, caller, body.reason)
    context.composer.forget_sealed()
    return view


@router.post("/unseal")
def post_unseal(context: ContextDep, caller: CallerDep) -> VaultView:
    """Fetch the keys again; the answer says why if they are not to be had."""
    return unseal_vault(context.vault, caller)


@router.post("/rotations")
def post_rotation(context: ContextDep, caller: CallerDep) -> RotationView:
    """Do one step of a rotation of the key-encryption key; repeat until ``left`` is 0."""
    return rotate_vault(context.vault, context.settings, caller)
