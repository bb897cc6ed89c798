"""``/deposits``: forget, look, follow."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Response
from fastapi.responses import JSONResponse
from fastapi.sse import EventSourceResponse, ServerSentEvent

from app.api.dependencies import CallerDep, ContextDep, IdempotencyKey, PageDep, accepted, repeatable
from app.api.events import job_events
from app.api.links import FIRST_DEPOSIT, JOB, linked
from app.api.schemas.deposits import AuditBody, DepositBody
from app.services.certify_deposit import certify_deposit
from app.services.erase_deposit import enable_deposit, erase_deposit
from app.services.follow_jobs import job_of_deposit
from app.services.idempotency import answered_before, create_once
from app.services.keep_images import kept_images
from app.services.request_audit import accept_audit, plan_audit
from app.services.request_deposit import accept_deposit, plan_deposit
from app.services.show_deposits import list_deposits, show_deposit
from app.services.views import AcceptedView, CertificateView, DepositView
from app.vault.opening import signing_key

PARQUET = "application/vnd.apache.parquet"
MOST_SECONDS = 366 * 24 * 3600

router = APIRouter(prefix="/deposits", tags=["deposits"])


@router.post(
    "",
    status_code=202,
    response_model=AcceptedView,
    responses={
        202: linked(
            get_job={"job_id": JOB},
            delete_job={"job_id": JOB},
            get_deposit={"deposit_id": FIRST_DEPOSIT},
            get_certificate={"deposit_id": FIRST_DEPOSIT},
            delete_deposit={"deposit_id": FIRST_DEPOSIT},
        )
    },
)
def deposit(
    body: DepositBody, context: ContextDep, caller: CallerDep, key: IdempotencyKey = None
) -> JSONResponse:
    """Take a data subset's knowledge out of a model and seal it; follow the job that does it."""
    request = repeatable("POST /deposits", key, body.model_dump())
    answer = answered_before(context.sessions, caller, request)
    if answer is None:
        planned = plan_deposit(context.vault, caller, body.order())
        answer = create_once(
            context.sessions, caller, request, lambda session: accept_deposit(session, caller, planned)
        )
    context.doorbell.ring(answer["job"])
    return accepted(answer, answer["job"])


@router.get("")
def get_deposits(
    context: ContextDep,
    caller: CallerDep,
    page: PageDep,
    model: Annotated[str | None, Query(max_length=255, description="Only those of this model.")] = None,
) -> list[DepositView]:
    """The caller's deposits; all of them for an admin."""
    return list_deposits(context.sessions, caller, model, page.limit, page.after)


@router.get("/{deposit_id}")
def get_deposit(deposit_id: str, context: ContextDep, caller: CallerDep) -> DepositView:
    return show_deposit(context.sessions, caller, deposit_id)


@router.delete("/{deposit_id}")
def delete_deposit(
    deposit_id: str,
    context: ContextDep,
    caller: CallerDep,
    after: Annotated[
        int | None,
        Query(
            ge=0, le=MOST_SECONDS, description="Seconds until it is erased for ever; the operator's default."
        ),
    ] = None,
) -> DepositView:
    """Disable the deposit now, and erase it for ever after a while; every later use answers 410."""
    seconds = context.settings.erase_after_seconds if after is None else after
    view = erase_deposit(context.vault, caller, deposit_id, timedelta(seconds=seconds))
    context.composer.forget_sealed()
    return view


@router.delete("/{deposit_id}/erasure")
def delete_erasure(deposit_id: str, context: ContextDep, caller: CallerDep) -> DepositView:
    """Take a coming erasure back: the deposit is sealed again, and withdrawals of it count again."""
    return enable_deposit(context.sessions, caller, deposit_id)


@router.get("/{deposit_id}/certificate")
def get_certificate(deposit_id: str, context: ContextDep, caller: CallerDep) -> CertificateView:
    """A signed statement of what was forgotten, how, and how well; check it with `lirf verify`."""
    return certify_deposit(context.sessions, signing_key(context.settings), caller, deposit_id)


@router.get(
    "/{deposit_id}/images",
    response_class=Response,
    responses={200: {"content": {PARQUET: {"schema": {"type": "string", "format": "binary"}}}}},
)
def get_kept_images(deposit_id: str, context: ContextDep, caller: CallerDep) -> Response:
    """The deposit set's images, where they were kept with the original: Parquet, as POST /datasets reads it."""
    data = kept_images(context.vault, caller, deposit_id)
    name = {"Content-Disposition": f'attachment; filename="{deposit_id}.parquet"'}
    return Response(data, media_type=PARQUET, headers=name)


@router.post(
    "/{deposit_id}/audits",
    status_code=202,
    response_model=AcceptedView,
    responses={202: linked(get_job={"job_id": JOB}, get_deposit={"deposit_id": FIRST_DEPOSIT})},
)
def post_audit(
    deposit_id: str, body: AuditBody, context: ContextDep, caller: CallerDep, key: IdempotencyKey = None
) -> JSONResponse:
    """Measure what an attacker with the weights could still read of the deposit; the certificate then states it."""
    request = repeatable("POST /deposits/…/audits", key, deposit_id, body.model_dump())
    answer = answered_before(context.sessions, caller, request)
    if answer is None:
        planned = plan_audit(context.sessions, caller, deposit_id, body.dataset, body.seed)
        answer = create_once(
            context.sessions, caller, request, lambda session: accept_audit(session, caller, planned)
        )
    context.doorbell.ring(answer["job"])
    return accepted(answer, answer["job"])


def _followed_job(deposit_id: str, context: ContextDep, caller: CallerDep) -> str:
    return job_of_deposit(context.sessions, caller, deposit_id)


@router.get("/{deposit_id}/events", response_class=EventSourceResponse)
async def get_deposit_events(
    context: ContextDep, job_id: Annotated[str, Depends(_followed_job)]
) -> AsyncIterator[ServerSentEvent]:
    """Server-sent events of the deposit's job: epoch, losses, time left; ``end`` comes last."""
    async for event in job_events(context, job_id):
        yield event
