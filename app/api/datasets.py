"""``/datasets``: upload images, or name a built-in set."""

from typing import Annotated

from fastapi import APIRouter, Depends, Request
from fastapi.responses import JSONResponse

from app.api.dependencies import CallerDep, ContextDep, IdempotencyKey, PageDep, created, repeatable
from app.api.links import ID, linked
from app.api.schemas import Body
from app.api.schemas.datasets import BuiltinBody, UploadBody
from app.api.submissions import Submission, documented, read_submission
from app.services.idempotency import create_once
from app.services.register_dataset import (
    list_datasets,
    prepare_builtin,
    prepare_upload,
    register_dataset,
    show_dataset,
)
from app.services.uploads import kept_if_registered
from app.services.views import DatasetView

router = APIRouter(prefix="/datasets", tags=["datasets"])


async def _submission(request: Request, _caller: CallerDep) -> Submission[Body]:
    return await read_submission(request, alone=BuiltinBody, beside=UploadBody, file_part="file")


@router.post(
    "",
    status_code=201,
    response_model=DatasetView,
    responses={201: linked(get_dataset={"dataset": ID})},
    openapi_extra=documented(BuiltinBody, UploadBody, "file"),
)
def upload(
    submission: Annotated[Submission[Body], Depends(_submission)],
    context: ContextDep,
    caller: CallerDep,
    key: IdempotencyKey = None,
) -> JSONResponse:
    """Upload Parquet or a ZIP of class folders, or name a built-in data set; every image is checked now."""
    body = submission.body
    if isinstance(body, BuiltinBody):
        folder = context.settings.datasets_folder
        prepared = prepare_builtin(context.sessions, caller, body.builtin, body.split, folder)
    else:
        prepared = prepare_upload(context.sessions, caller, submission.file or b"")
    name = body.name if isinstance(body, BuiltinBody | UploadBody) else ""
    with kept_if_registered(context.sessions, prepared.digests):
        answer = create_once(
            context.sessions,
            caller,
            repeatable("POST /datasets", key, body.model_dump(), submission.file),
            lambda session: register_dataset(session, caller, name, prepared),
        )
    return created(answer, f"/datasets/{answer['id']}")


@router.get("")
def get_datasets(context: ContextDep, caller: CallerDep, page: PageDep) -> list[DatasetView]:
    return list_datasets(context.sessions, caller, page.limit, page.after)


@router.get("/{dataset}")
def get_dataset(dataset: str, context: ContextDep, caller: CallerDep) -> DatasetView:
    """One data set, by id or name."""
    return show_dataset(context.sessions, caller, dataset)
