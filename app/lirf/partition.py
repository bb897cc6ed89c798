from app.lirf.errors import InvalidInputError
from app.lirf.networks import Network


def require_split(net: Network, split: int) -> None:
    """Refuse a split that leaves either part empty.

    Raises:
        InvalidInputError: split is outside 1..len(net)-1.
    """
    if not 1 <= split < len(net):
        raise InvalidInputError(
            "split",
            f"{split} does not divide a network of {len(net)} blocks.",
            f"Choose a block from 1 to {len(net) - 1}.",
        )


def partition(net: Network, split: int) -> tuple[Network, Network]:
    """Divide T into T^(-n) (the first n blocks) and T^(n-) (the rest); both share modules with T."""
    require_split(net, split)
    return net.part(0, split), net.part(split)


def recompose(shallow: Network, deep: Network) -> Network:
    """T = T^(-n) then T^(n-), sharing modules with both."""
    return Network([*shallow, *deep], [*shallow.prefixes, *deep.prefixes])
