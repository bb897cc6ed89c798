"""One text that names a data set, one function that opens it.

A reader is imported when it is used: each brings a large library that the others do not need.
"""

from pathlib import Path
from typing import Literal

from app.lirf.data.dataset import ImageDataset
from app.lirf.errors import InvalidInputError

Split = Literal["train", "test"]

TORCHVISION = ("cifar10", "cifar100")
_FORMS = (
    "Give digits, cifar10:FOLDER, cifar100:FOLDER, a .parquet or .zip file, a folder with train.parquet and "
    "test.parquet, or a folder with train/ and test/ of class folders."
)


def open_source(spec: str, split: Split, *, download: bool = False) -> ImageDataset:
    """The ``split`` of the data set that ``spec`` names.

    ======================  ==========================================================================
    ``digits``              scikit-learn's handwritten digits
    ``cifar10:FOLDER``      torchvision's files in FOLDER, likewise ``cifar100:FOLDER``
    ``FILE.parquet|.zip``   that file; it has no splits, so it is taken for the one asked for
    ``FOLDER``              ``train.parquet`` and ``test.parquet`` in it, or ``train/`` and ``test/``
                            of class folders
    ======================  ==========================================================================

    A spec may be any path of this machine: never pass one that came over the network.

    Args:
        spec: as in the table.
        split: ``train`` or ``test``.
        download: let torchvision fetch missing files.

    Raises:
        InvalidInputError: nothing of the kind is there; the text says what was looked for.
    """
    name, colon, folder = spec.partition(":")
    if spec == "digits":
        from app.lirf.data.digits import load_digits_split  # noqa: PLC0415

        return load_digits_split(split)
    if name in TORCHVISION:
        if not colon or not folder:
            raise InvalidInputError(
                "dataset", f"{name} needs the folder that holds its files.", f"Give {name}:FOLDER."
            )
        from app.lirf.data.torchvision_sets import load  # noqa: PLC0415

        return load(name, split, Path(folder).expanduser(), download=download)
    path = Path(spec).expanduser()
    return _open_folder(path, split) if path.is_dir() else _open_file(path)


def _open_file(path: Path) -> ImageDataset:
    if not path.is_file():
        raise InvalidInputError("dataset", f"There is no file or folder {str(path)!r}.", _FORMS)
    suffix = path.suffix.lower()
    if suffix == ".parquet":
        from app.lirf.data.parquet import read_parquet  # noqa: PLC0415

        return read_parquet(path)
    if suffix == ".zip":
        from app.lirf.data.folders import read_zip  # noqa: PLC0415

        return read_zip(path)
    raise InvalidInputError("dataset", f"The file {path.name!r} is neither .parquet nor .zip.", _FORMS)


def _open_folder(path: Path, split: Split) -> ImageDataset:
    parquet = path / f"{split}.parquet"
    if parquet.is_file():
        from app.lirf.data.parquet import read_parquet  # noqa: PLC0415

        return read_parquet(parquet)
    if (path / split).is_dir():
        from app.lirf.data.folders import read_folder  # noqa: PLC0415

        return read_folder(path / split)
    raise InvalidInputError(
        "dataset", f"The folder {str(path)!r} has neither {split}.parquet nor a folder {split}/.", _FORMS
    )
