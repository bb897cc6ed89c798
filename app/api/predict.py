"""``/predict``: be answered by the net that the caller is entitled to."""

import time
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import ValidationError
from starlette.datastructures import UploadFile

from app.api.context import Context
from app.api.dependencies import ContextDep, ServedCallerDep
from app.api.disconnects import while_connected
from app.api.schemas.predict import PredictBody, TopK, decode_base64
from app.api.submissions import JSON, MULTIPART
from app.domain.errors import Invalid, UnsupportedMedia
from app.domain.rights import Caller
from app.services.predict import (
    DatasetRows,
    EncodedImages,
    Images,
    Prepared,
    prepare_at_once,
    prepare_prediction,
)
from app.services.views import PredictionView

router = APIRouter(prefix="/predict", tags=["predict"])

IMAGE_TYPES = ("image/png", "image/jpeg", "image/webp", "application/octet-stream")
Reference = Annotated[str, Query(min_length=1, max_length=255)]


@router.get("", response_model=PredictionView)
async def get_prediction(
    request: Request,
    context: ContextDep,
    caller: ServedCallerDep,
    model: Reference,
    image: Annotated[str | None, Query(description="PNG, JPEG or WebP bytes in base64url.")] = None,
    dataset: Annotated[str | None, Query(max_length=255, description="A stored data set.")] = None,
    index: Annotated[int | None, Query(ge=0, description="Its row.")] = None,
    top_k: Annotated[int, Query(ge=1, le=1000)] = 5,
) -> JSONResponse:
    """Classify one small image from the query, or one row of a stored data set."""
    if (image is None) == (dataset is None) or (dataset is None) != (index is None):
        raise Invalid(
            "The query names no image, or two.", "Give either image, or dataset and index.", "image"
        )
    if image is not None:
        images: Images = EncodedImages(context.decoder, [decode_base64(image, "image")])
    else:
        images = DatasetRows(context.sessions, caller, dataset or "", [index or 0])
    return told((await _answer(request, context, caller, model, images, top_k))[0])


async def _posted(
    request: Request,
    _caller: ServedCallerDep,
    model: Annotated[str | None, Query(min_length=1, max_length=255)] = None,
    top_k: Annotated[int, Query(ge=1, le=1000)] = 5,
) -> tuple[PredictBody | None, str | None, bytes, TopK]:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type == JSON:
        return _batch(await request.body()), model, b"", top_k
    if media_type == MULTIPART:
        async with request.form(max_files=1, max_fields=4) as form:
            file, named = form.get("image"), form.get("model")
            if not isinstance(file, UploadFile):
                raise Invalid("The form has no file 'image'.", "Add the image as the part 'image'.", "image")
            return None, named if isinstance(named, str) else model, await file.read(), top_k
    if media_type in IMAGE_TYPES:
        return None, model, await request.body(), top_k
    raise UnsupportedMedia(
        f"{media_type or 'No media type'} is not accepted.",
        f"Send {', '.join(IMAGE_TYPES)}, {MULTIPART} or {JSON}.",
    )


@router.post(
    "",
    response_model=PredictionView | list[PredictionView],
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                JSON: {"schema": PredictBody.model_json_schema()},
                MULTIPART: {
                    "schema": {
                        "type": "object",
                        "properties": {
                            "image": {"type": "string", "format": "binary"},
                            "model": {"type": "string"},
                        },
                        "required": ["image"],
                    }
                },
                **{name: {"schema": {"type": "string", "format": "binary"}} for name in IMAGE_TYPES},
            },
        }
    },
)
async def post_prediction(
    request: Request,
    posted: Annotated[tuple[PredictBody | None, str | None, bytes, int], Depends(_posted)],
    context: ContextDep,
    caller: ServedCallerDep,
) -> JSONResponse:
    """Classify one image (raw body or multipart: one answer), or a JSON batch (a list of answers)."""
    body, model, data, top_k = posted
    if body is None:
        if model is None:
            raise Invalid("No model is named.", "Add ?model=NAME.", "model")
        images: Images = EncodedImages(context.decoder, [data])
        return told((await _answer(request, context, caller, model, images, top_k))[0])
    if body.dataset is not None:
        images = DatasetRows(context.sessions, caller, body.dataset, body.indices or [])
    else:
        images = EncodedImages(context.decoder, body.decoded(), "images.{row}")
    return told(*await _answer(request, context, caller, body.model, images, body.top_k), batch=True)


def told(*views: PredictionView, batch: bool = False) -> JSONResponse:
    """Views are what they say they are: nothing is gained by validating them again on the way out."""
    shown = [asdict(view) for view in views]
    return JSONResponse(shown if batch else shown[0], headers={"Cache-Control": "private, no-store"})


async def _answer(
    request: Request, context: Context, caller: Caller, model: str, images: Images, top_k: int
) -> list[PredictionView]:
    async def answers() -> list[PredictionView]:
        started = time.perf_counter()
        prepared = await _prepared(context, caller, model, images, started)
        served = prepared.served
        with context.serving.statistics.request(served.model, served.version, started):
            probabilities = await context.serving.probabilities(served, prepared.images)
        return prepared.views(probabilities, top_k)

    views = await while_connected(request.receive, answers())
    context.metrics.count_predictions(views)
    return views


async def _prepared(context: Context, caller: Caller, model: str, images: Images, started: float) -> Prepared:
    """At once if everything is in memory, else in another thread, as others are served meanwhile."""
    known = context.rights.known_entitlement(caller, model)
    ready = None if known is None else prepare_at_once(known, context.composer, images)

    def prepared() -> Prepared:
        entitled = context.rights.entitlement(caller, model)
        with context.serving.statistics.failing(*entitled.names, started):
            return prepare_prediction(entitled, context.composer, images)

    return await run_in_threadpool(prepared) if ready is None else ready


def _batch(data: bytes) -> PredictBody:
    try:
        return PredictBody.model_validate_json(data)
    except ValidationError as error:
        faults: list[dict[str, Any]] = [
            {**fault, "loc": ("body", *fault["loc"])} for fault in error.errors(include_context=False)
        ]
        raise RequestValidationError(faults) from error
