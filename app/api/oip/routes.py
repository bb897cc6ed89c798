"""``/v2``: health, metadata, inference, repository, configuration and statistics."""

import time
from dataclasses import dataclass
from typing import Annotated, Any

import numpy as np
from fastapi import APIRouter, Depends, Request, Response
from fastapi.concurrency import run_in_threadpool

from app.api.context import Context
from app.api.dependencies import ContextDep, ServedCallerDep
from app.api.disconnects import while_connected
from app.api.health import ready
from app.api.oip.encodings import packed, unpacked
from app.api.oip.messages import InferRequest, ModelMetadata, TensorMetadata
from app.api.oip.tensors import (
    FP32,
    INPUT,
    JSON_LENGTH,
    OUTPUT,
    UINT8,
    Asked,
    answer,
    parse_request,
    raw_request,
)
from app.api.problems import PLAIN_MEDIA_TYPE, described
from app.domain.errors import Invalid, NotFound
from app.domain.rights import Action
from app.inference.batcher import LARGEST_BATCH
from app.inference.decoder import fitted
from app.inference.nets import Probabilities
from app.lirf.data.images import Pixels
from app.lirf.networks import InputSpec
from app.services.find import require
from app.services.plans import stored_network
from app.services.predict import (
    EncodedImages,
    Entitlement,
    Images,
    prepare_at_once,
    prepare_prediction,
)
from app.services.show_models import list_models
from app.services.views import ModelView

MOST_MODELS = 10_000
PARSED_AT_ONCE_BYTES = 16 * 1024
COPIED_AT_ONCE_BYTES = 2**20
"""A copy of so much takes a tenth of a millisecond."""

PLATFORM = "pytorch_safetensors"
EXTENSIONS = ["binary_tensor_data", "classification", "model_configuration", "model_repository", "statistics"]

BINARY = "application/octet-stream"
BYTES_SCHEMA = {"schema": {"type": "string", "format": "binary"}}
REQUEST = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": InferRequest.model_json_schema(ref_template="#/components/schemas/{model}")
            },
            BINARY: BYTES_SCHEMA,
        },
    }
}
ANSWER: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {"schema": {"type": "object"}}, BINARY: BYTES_SCHEMA}}
}

router = APIRouter(prefix="/v2", tags=["open inference protocol"], responses=described(PLAIN_MEDIA_TYPE))


@router.get("")
@router.get("/", include_in_schema=False)
def get_server(request: Request) -> dict[str, Any]:
    """Name, version and extensions of this server."""
    return {"name": "lirf-server", "version": request.app.version, "extensions": EXTENSIONS}


@router.get("/health/live")
def get_live() -> dict[str, bool]:
    return {"live": True}


@router.get("/health/ready")
def get_ready(context: ContextDep) -> dict[str, bool]:
    """Ready when the database answers; 503 otherwise."""
    ready(context)
    return {"ready": True}


@router.get("/models/stats")
def get_all_statistics(context: ContextDep, _caller: ServedCallerDep) -> dict[str, Any]:
    """Counts and times of every version that was asked since this process began."""
    return {"model_stats": context.serving.statistics.told()}


async def _served(
    model: str, context: ContextDep, caller: ServedCallerDep, version: str | None = None
) -> Entitlement:
    """The version of ``model`` that the caller is answered by; any other is as if it did not exist."""
    entitled = context.rights.known_entitlement(caller, model)
    if entitled is None:
        entitled = await run_in_threadpool(context.rights.entitlement, caller, model)
    if version is not None and version != str(entitled.version.number):
        raise NotFound(
            f"{entitled.model.name!r} is not served in version {version[:20]!r}.",
            f"Ask for version {entitled.version.number}, or for none.",
            "version",
        )
    return entitled


Served = Annotated[Entitlement, Depends(_served)]


@router.get("/models/{model}")
@router.get("/models/{model}/versions/{version}", operation_id="get_version_metadata")
def get_metadata(served: Served) -> ModelMetadata:
    """Inputs and outputs: uint8 pixels, or PNG, JPEG and WebP files as BYTES of the same name; probabilities."""
    spec = served.spec
    return ModelMetadata(
        name=served.model.name,
        versions=[str(served.version.number)],
        platform=PLATFORM,
        inputs=[TensorMetadata(name=INPUT, datatype=UINT8, shape=[-1, *spec.shape])],
        outputs=[TensorMetadata(name=OUTPUT, datatype=FP32, shape=[-1, len(served.model.classes)])],
    )


@router.get("/models/{model}/ready")
@router.get("/models/{model}/versions/{version}/ready", operation_id="get_version_ready")
def get_model_ready(served: Served) -> dict[str, Any]:
    return {"name": served.model.name, "ready": True}


@router.get("/models/{model}/config")
@router.get("/models/{model}/versions/{version}/config", operation_id="get_version_config")
def get_config(served: Served) -> dict[str, Any]:
    """Triton's ModelConfig, as far as it means something here."""
    spec = served.spec
    return {
        "name": served.model.name,
        "platform": PLATFORM,
        "backend": "pytorch",
        "max_batch_size": LARGEST_BATCH,
        "input": [{"name": INPUT, "data_type": "TYPE_UINT8", "dims": list(spec.shape)}],
        "output": [{"name": OUTPUT, "data_type": "TYPE_FP32", "dims": [len(served.model.classes)]}],
        "dynamic_batching": {},
        "parameters": {"classes": {"string_value": ",".join(served.model.classes)}},
    }


@router.get("/models/{model}/stats")
@router.get("/models/{model}/versions/{version}/stats", operation_id="get_version_statistics")
def get_statistics(served: Served, context: ContextDep) -> dict[str, Any]:
    """Counts and times of the served version since this process began."""
    return {"model_stats": context.serving.statistics.told(*served.names)}


@router.post("/repository/index")
def post_index(context: ContextDep, caller: ServedCallerDep) -> list[dict[str, str]]:
    """Every model with the version that it is served in; nets are built when they are first asked."""
    return [_indexed(model) for model in list_models(context.sessions, caller, MOST_MODELS, None)]


def _indexed(model: ModelView) -> dict[str, str]:
    served = next((one for one in model.versions if one.number == model.current), None)
    if served is None:
        return {
            "name": model.name,
            "version": "",
            "state": "UNAVAILABLE",
            "reason": "its first net is being trained",
        }
    ready = {"state": "READY"} if served.available else {"state": "UNAVAILABLE", "reason": "destroyed"}
    return {"name": model.name, "version": str(served.number), "reason": "", **ready}


@router.post("/repository/models/{model}/load")
def post_load(served: Served, context: ContextDep) -> None:
    """Have the caller's net in memory, so that the first prediction need not wait for it."""
    context.composer.net(served.key, served.modules)


@router.post("/repository/models/{model}/unload")
def post_unload(served: Served, context: ContextDep, caller: ServedCallerDep) -> None:
    """Take the model's nets out of this process's memory; the next prediction builds its own again."""
    require(caller, Action.UNLOAD_MODEL, served.model.owner_id)
    context.composer.forget_model(stored_network(served.model, served.version))


async def _asked(request: Request, served: Served, context: ContextDep) -> Asked:
    encoding = request.headers.get("content-encoding", "").strip().lower()
    length = request.headers.get(JSON_LENGTH)
    if length is not None and not (length.isascii() and length.isdigit()):
        raise Invalid(f"{JSON_LENGTH} is {length[:20]!r}.", "Send a whole number of bytes.", JSON_LENGTH)
    body = await request.body()

    def parsed() -> Asked:
        data = unpacked(body, encoding, context.settings.max_infer_bytes)
        if length is not None and int(length) == 0:
            return raw_request(data, served.spec)
        return parse_request(data, None if length is None else int(length))

    json_bytes = len(body) if length is None else int(length)
    if json_bytes <= PARSED_AT_ONCE_BYTES and not encoding:
        return parsed()
    return await run_in_threadpool(parsed)  # megabytes of JSON would hold up everybody else


@router.post("/models/{model}/infer", response_class=Response, responses=ANSWER, openapi_extra=REQUEST)
@router.post(
    "/models/{model}/versions/{version}/infer",
    response_class=Response,
    responses=ANSWER,
    openapi_extra=REQUEST,
    operation_id="post_version_infer",
)
async def post_infer(
    request: Request, served: Served, asked: Annotated[Asked, Depends(_asked)], context: ContextDep
) -> Response:
    """Answer images with the net that the caller is entitled to; ``parameters.net`` names it."""
    probabilities = await while_connected(request.receive, _probabilities(context, served, asked))
    context.metrics.count_images(served.net, len(probabilities))
    head = {
        "model_name": served.model.name,
        "model_version": str(served.version.number),
        "parameters": {"net": served.net, "deposits": ",".join(served.deposits)},
    }
    if asked.id:
        head["id"] = asked.id
    body, json_length = answer(head, probabilities, served.model.classes, asked)
    headers = {"Cache-Control": "private, no-store"}
    if json_length is not None:
        headers[JSON_LENGTH] = str(json_length)
    body, encoding = packed(body, request.headers.get("accept-encoding", ""))
    if encoding:
        headers["Content-Encoding"] = encoding
    media_type = "application/json" if json_length is None else BINARY
    return Response(body, headers=headers, media_type=media_type)


async def _probabilities(context: Context, served: Entitlement, asked: Asked) -> Probabilities:
    with context.serving.statistics.request(*served.names, time.perf_counter()):
        images = _images(context, asked)
        prepared = prepare_at_once(served, context.composer, images)
        if prepared is None:
            prepared = await run_in_threadpool(prepare_prediction, served, context.composer, images)
        return await context.serving.probabilities(prepared.served, prepared.images)


def _images(context: Context, asked: Asked) -> Images:
    if asked.files is not None:
        return EncodedImages(context.decoder, asked.files, INPUT)
    return Tensors(np.empty(0, dtype=np.uint8) if asked.pixels is None else asked.pixels)


@dataclass(frozen=True)
class Tensors:
    """Images that came as a tensor: uint8 [N, C, H, W]."""

    pixels: Pixels

    def load(self, spec: InputSpec) -> Pixels:
        return fitted(self.pixels, spec)

    def load_at_once(self, spec: InputSpec) -> Pixels | None:
        return self.load(spec) if self.pixels.nbytes <= COPIED_AT_ONCE_BYTES else None
