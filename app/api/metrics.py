"""``/metrics`` in the Prometheus text format."""

from fastapi import APIRouter, Response
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

from app.api.dependencies import ContextDep

router = APIRouter(tags=["operations"])


@router.get("/metrics", response_class=Response)
def metrics(context: ContextDep) -> Response:
    """For Prometheus; no key is needed and nothing but counts is told, no name of a model or caller."""
    return Response(generate_latest(context.metrics.registry), media_type=CONTENT_TYPE_LATEST)
