"""The images of a deposit whose owner keeps the original: sealed as a Parquet file, handed out to the owner alone."""

from app.db.models import Deposit
from app.db.session import Sessions
from app.domain.errors import Conflict
from app.domain.rights import Action, Caller
from app.lirf.data.dataset import ImageDataset
from app.lirf.data.parquet import write_parquet
from app.lirf.data.selection import select
from app.services.find import dataset_of, find_deposit, require_left
from app.services.plans import images_label, open_dataset, stored_selection
from app.vault.vault import Seal, Vault


def seal_images(vault: Vault, deposit: Deposit) -> tuple[str, str]:
    """Seal the deposit set's images under a data key of their own: name of the artifact, and id of the key."""
    seal = Seal(vault.new_key(), images_label(deposit))
    return vault.put(_parquet(vault.sessions, deposit), seal), seal.key_id


def kept_images(vault: Vault, caller: Caller, deposit_id: str) -> bytes:
    """The Parquet file of a deposit's kept images, in the layout that ``POST /datasets`` reads.

    Raises:
        NotFound: unknown, or not the caller's.
        Gone: erased, or about to be.
        Conflict: no images were kept.
        VaultSealed, Damaged: they do not open.
    """
    with vault.sessions.read() as session:
        row = find_deposit(session, caller, deposit_id, Action.READ_KEPT_IMAGES)
    require_left(row)
    if row.images_digest is None or row.images_key_id is None:
        raise Conflict(
            f"No images of {row.id} were kept.",
            "They are kept where a deposit is asked for with keep_original.",
            "deposit",
        )
    return bytes(vault.get(row.images_digest, Seal(row.images_key_id, images_label(row))))


def _parquet(sessions: Sessions, deposit: Deposit) -> bytes:
    with sessions.read() as session:
        data = open_dataset(session, dataset_of(session, deposit.dataset_id))
        index = data.index
        chosen = select(index, stored_selection(deposit.selector), whole=True, removed=index.removed).indices
        rows = chosen.tolist()
        images = data.images(rows)
    return write_parquet(
        ImageDataset(
            images=images,
            labels=index.labels[chosen],
            ids=tuple(index.ids[row] for row in rows),
            classes=index.classes,
            metadata={name: tuple(values[row] for row in rows) for name, values in index.metadata.items()},
        )
    )
