"""Networks as ordered lists of blocks, so that any of them can be divided at any block."""

from app.lirf.networks.input_spec import InputSpec
from app.lirf.networks.network import Network, block_names, classifier, load_published, published_state
from app.lirf.networks.registry import available, create, default_split

__all__ = [
    "InputSpec",
    "Network",
    "available",
    "block_names",
    "classifier",
    "create",
    "default_split",
    "load_published",
    "published_state",
]
