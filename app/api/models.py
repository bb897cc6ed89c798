"""``/models``: register, describe, roll back."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from app.api.dependencies import CallerDep, ContextDep, IdempotencyKey, PageDep, accepted, created, repeatable
from app.api.links import JOB, linked
from app.api.schemas.models import ModelBody, RollbackBody
from app.api.submissions import Submission, documented, read_submission
from app.services.idempotency import create_once
from app.services.register_model import prepare_model, register_model
from app.services.roll_back_model import roll_back
from app.services.show_models import list_models, list_versions, show_model
from app.services.uploads import kept_if_registered
from app.services.views import ModelView, VersionView

NAME = "$response.body#/name"

router = APIRouter(prefix="/models", tags=["models"])


async def _submission(request: Request, _caller: CallerDep) -> Submission[ModelBody]:
    return await read_submission(request, alone=ModelBody, beside=ModelBody, file_part="weights")


@router.post(
    "",
    status_code=201,
    response_model=ModelView,
    responses={
        201: linked(get_model={"name": NAME}, get_versions={"name": NAME}),
        202: {
            "model": ModelView,
            "description": "T0 is being trained by `job`.",
            **linked(get_model={"name": NAME}, get_job={"job_id": JOB}, delete_job={"job_id": JOB}),
        },
    },
    openapi_extra=documented(ModelBody, ModelBody, "weights"),
)
def register(
    submission: Annotated[Submission[ModelBody], Depends(_submission)],
    context: ContextDep,
    caller: CallerDep,
    key: IdempotencyKey = None,
) -> JSONResponse:
    """Register a classifier: multipart with safetensors ``weights``, or JSON with ``train`` to make T0 here."""
    body = submission.body
    prepared = prepare_model(
        context.sessions, caller, body.order(), submission.file, context.settings.extra_architectures
    )
    training = body.train.order() if body.train else None
    with kept_if_registered(context.sessions, prepared.digests):
        answer = create_once(
            context.sessions,
            caller,
            repeatable("POST /models", key, body.model_dump(), submission.file),
            lambda session: register_model(session, caller, prepared, training),
        )
    if answer["job"] is None:
        return created(answer, f"/models/{answer['name']}")
    context.doorbell.ring(answer["job"])
    return accepted(answer, answer["job"])


@router.get("")
def get_models(context: ContextDep, caller: CallerDep, page: PageDep) -> list[ModelView]:
    return list_models(context.sessions, caller, page.limit, page.after)


@router.get("/{name}")
def get_model(name: str, context: ContextDep, caller: CallerDep) -> ModelView:
    """One model with its versions, by name or id."""
    return show_model(context.sessions, caller, name)


@router.get("/{name}/versions")
def get_versions(name: str, context: ContextDep, caller: CallerDep) -> list[VersionView]:
    return list_versions(context.sessions, caller, name)


@router.post("/{name}/rollback")
def rollback(name: str, body: RollbackBody, context: ContextDep, caller: CallerDep) -> ModelView:
    """Serve another version whose weights still exist."""
    return roll_back(context.sessions, caller, name, body.version)
