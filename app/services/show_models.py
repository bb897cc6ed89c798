"""List and describe models and their versions."""

from app.db.repositories import models
from app.db.session import Sessions
from app.domain.rights import Action, Caller
from app.services.describe_rows import model_view
from app.services.find import find_model, require
from app.services.views import ModelView, VersionView


def list_models(sessions: Sessions, caller: Caller, limit: int, after: str | None) -> list[ModelView]:
    require(caller, Action.READ_MODEL)
    with sessions.read() as session:
        return [model_view(row) for row in models.page(session, limit, after)]


def show_model(sessions: Sessions, caller: Caller, reference: str) -> ModelView:
    require(caller, Action.READ_MODEL)
    with sessions.read() as session:
        return model_view(find_model(session, reference))


def list_versions(sessions: Sessions, caller: Caller, reference: str) -> list[VersionView]:
    return show_model(sessions, caller, reference).versions
