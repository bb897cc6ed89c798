"""List and describe deposits."""

from app.db.repositories import deposits
from app.db.session import Sessions
from app.domain.rights import Action, Caller, Role
from app.services.describe_rows import deposit_view
from app.services.find import find_deposit, find_model
from app.services.views import DepositView


def list_deposits(
    sessions: Sessions, caller: Caller, model: str | None, limit: int, after: str | None
) -> list[DepositView]:
    """The caller's deposits; all of them for an admin."""
    owner = None if caller.role is Role.ADMIN else caller.principal_id
    with sessions.read() as session:
        model_id = None if model is None else find_model(session, model).id
        return [deposit_view(row) for row in deposits.page(session, owner, model_id, limit, after)]


def show_deposit(sessions: Sessions, caller: Caller, deposit_id: str) -> DepositView:
    with sessions.read() as session:
        return deposit_view(find_deposit(session, caller, deposit_id, Action.READ_DEPOSIT))
