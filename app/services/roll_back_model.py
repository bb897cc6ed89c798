"""Serve another version of a model, as long as its weights exist."""

from app.db.repositories import models
from app.db.session import Sessions
from app.domain.errors import Conflict, Gone, NotFound
from app.domain.ledger import Decision
from app.domain.rights import Action, Caller
from app.services.describe_rows import model_view
from app.services.find import find_model, require
from app.services.record_decision import record_decision
from app.services.views import ModelView


def roll_back(sessions: Sessions, caller: Caller, reference: str, number: int) -> ModelView:
    """Point ``current`` at another version whose weights still exist.

    Raises:
        NotFound: no such version.
        Gone: its shallow part was destroyed when a deposit was made from it.
        Conflict: a job of the model is open.
    """
    with sessions.write() as session:
        model = find_model(session, reference)
        require(caller, Action.ROLLBACK, model.owner_id)
        version = models.version(session, model.id, number)
        if version is None:
            raise NotFound(
                f"{model.name!r} has no version {number}.", "List them with GET /models.", "version"
            )
        if version.shallow_digest is None:
            raise Gone(
                f"Version {number} of {model.name!r} was destroyed when a deposit was made from it.",
                "Withdraw the deposit instead, or deposit with keep_original.",
                "version",
            )
        if models.busy(session, model.id):
            raise Conflict(f"A job of {model.name!r} is open.", "Wait for it, or cancel it.", "model")
        facts = {"from": model.current, "to": number}
        model.current = number
        record_decision(
            session, caller, Decision.MODEL_ROLLED_BACK, model.id, owner=model.owner_id, facts=facts
        )
        return model_view(model)
