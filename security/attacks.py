"""What an attacker does who can write to the databases, and how the service has to refuse."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from sqlalchemy import Executable, delete, select, update

from app.db.keystore.models import DataKey
from app.db.models import (
    Artifact,
    ArtifactChunk,
    Deposit,
    DepositModuleVersion,
    Model,
    ModelVersion,
    Principal,
)
from app.db.session import Session, Sessions
from app.vault.sealing import TAG_BYTES

Refusal = tuple[int, str]

DAMAGED: Refusal = (503, "damaged")
SEALED: Refusal = (503, "vault-sealed")
GONE: Refusal = (410, "gone")

NONCE_BYTES = 12


@dataclass(frozen=True)
class Attack:
    """One change of the databases.

    Attributes:
        kind: what is attacked; attacks of a kind are counted together.
        model: whose recover net, or whose kept original, is attacked.
        refusal: the status and problem that an entitled caller has to get.
        change: what is done in the service's database.
        change_keys: what is done in the key store.
    """

    kind: str
    model: str
    refusal: Refusal
    change: Callable[[Session], None] | None = None
    change_keys: Callable[[Session], None] | None = None


@dataclass(frozen=True)
class Place:
    """Where a module or a part of a kept original lies."""

    name: str
    key_id: str
    chunks: tuple[int, ...]


def places(sessions: Sessions, deposits: dict[str, str]) -> dict[str, list[Place]]:
    """Per model its module; for ``kept`` the two sealed parts of version 1 instead."""
    with sessions.read() as session:
        found = {}
        for model, deposit in deposits.items():
            row = session.scalars(
                select(DepositModuleVersion).where(DepositModuleVersion.deposit_id == deposit)
            ).one()
            named = [(row.digest, row.key_id)]
            if model == "kept":
                version = session.scalars(
                    select(ModelVersion).join(Model).where(Model.name == "kept", ModelVersion.number == 1)
                ).one()
                named = [(version.shallow_digest, version.key_id), (version.head_digest, version.key_id)]
            found[model] = [_place(session, str(name), str(key_id)) for name, key_id in named]
        return found


def attacks(
    where: dict[str, list[Place]], deposits: dict[str, str], flips: int, seed: int
) -> Iterator[Attack]:
    """Every attack, ``flips`` of them at places drawn with the seed."""
    (mine,), (other,) = where["first"], where["second"]
    chance = random.Random(seed)
    yield from _flipped_chunks("first", mine, flips, chance)
    yield from _moved_chunks(mine, other)
    yield from _swapped_rows(other, deposits)
    yield from _wrapped_keys(mine, other, flips, chance)
    for part in where["kept"]:
        yield from _flipped_chunks("kept", part, max(flips // 4, 4), chance)
    shallow, head = where["kept"]
    yield Attack(
        "the parts of a kept original are swapped",
        "kept",
        DAMAGED,
        partial(_name_version, shallow=head.name, head=shallow.name),
    )


def _flipped_chunks(model: str, place: Place, flips: int, chance: random.Random) -> Iterator[Attack]:
    for number in range(flips):
        seq, bit = chance.choice(place.chunks), 1 << chance.randrange(8)
        kind, share = [("first byte", 0.0), ("body", chance.random()), ("tag", 1.0)][number % 3]
        back = chance.randrange(TAG_BYTES) + 1

        def change(
            session: Session,
            seq: int = seq,
            bit: int = bit,
            kind: str = kind,
            share: float = share,
            back: int = back,
        ) -> None:
            data = _chunk(session, place.name, seq)
            at = len(data) - back if kind == "tag" else int(share * (len(data) - TAG_BYTES - 1))
            _write(session, place.name, seq, _flipped(data, at, bit))

        yield Attack(f"one bit of a chunk's {kind} is flipped", model, DAMAGED, change)


def _moved_chunks(mine: Place, other: Place) -> Iterator[Attack]:
    first, second = mine.chunks[:2]

    def swap(session: Session) -> None:
        one, two = _chunk(session, mine.name, first), _chunk(session, mine.name, second)
        _write(session, mine.name, first, two)
        _write(session, mine.name, second, one)

    def foreign(session: Session) -> None:
        _write(session, mine.name, first, _chunk(session, other.name, first))

    def add(session: Session) -> None:
        last = mine.chunks[-1]
        extra = ArtifactChunk(digest=mine.name, seq=last + 1, data=_chunk(session, mine.name, last))
        session.add(extra)

    yield Attack("two chunks are swapped", "first", DAMAGED, swap)
    yield Attack("a chunk of another deposit is put in", "first", DAMAGED, foreign)
    yield Attack("a chunk is added", "first", DAMAGED, add)
    for seq in mine.chunks:
        yield Attack("a chunk is taken out", "first", DAMAGED, partial(_drop, place=mine, seq=seq))
        for length in (0, 1, TAG_BYTES, 1000):
            yield Attack(
                "a chunk is cut off",
                "first",
                DAMAGED,
                partial(_cut, place=mine, seq=seq, length=length),
            )
    for by in (-1, 1, 1 << 20):
        yield Attack(
            "the recorded size is changed",
            "first",
            DAMAGED,
            partial(
                _execute,
                statement=update(Artifact)
                .where(Artifact.digest == mine.name)
                .values(size=Artifact.size + by),
            ),
        )


def _swapped_rows(other: Place, deposits: dict[str, str]) -> Iterator[Attack]:
    module = DepositModuleVersion.deposit_id == deposits["first"]
    changes: dict[str, dict[str, str | int]] = {
        "another deposit's bytes are named": {"digest": other.name},
        "another deposit's data key is named": {"key_id": other.key_id},
        "another deposit's bytes and data key are named": {"digest": other.name, "key_id": other.key_id},
        "the module's version is changed": {"version": 2},
    }
    for kind, values in changes.items():
        yield Attack(
            kind,
            "first",
            DAMAGED,
            partial(_execute, statement=update(DepositModuleVersion).where(module).values(**values)),
        )

    def give_away(session: Session) -> None:
        taker = session.scalars(select(Principal.id).where(Principal.name == "mallory")).one()
        session.execute(update(Deposit).where(Deposit.id == deposits["first"]).values(owner_id=taker))

    yield Attack("the deposit is given to another owner", "first", DAMAGED, give_away)


def _wrapped_keys(mine: Place, other: Place, flips: int, chance: random.Random) -> Iterator[Attack]:
    for number in range(flips):
        bit, part = 1 << chance.randrange(8), number % 3

        def flip(session: Session, bit: int = bit, part: int = part, share: float = chance.random()) -> None:
            row = session.get_one(DataKey, mine.key_id)
            wrapped = row.wrapped or b""
            starts = (0, NONCE_BYTES, len(wrapped) - TAG_BYTES, len(wrapped))
            at = starts[part] + int(share * (starts[part + 1] - starts[part]))
            row.wrapped = _flipped(wrapped, at, bit)

        name = ("nonce", "body", "tag")[part]
        yield Attack(f"one bit of a wrapped key's {name} is flipped", "first", DAMAGED, change_keys=flip)

    def exchange(session: Session) -> None:
        one, two = session.get_one(DataKey, mine.key_id), session.get_one(DataKey, other.key_id)
        one.wrapped, two.wrapped = two.wrapped, one.wrapped

    yield Attack("two wrapped keys are swapped", "first", DAMAGED, change_keys=exchange)
    for length in (0, NONCE_BYTES, 40):
        yield Attack(
            "a wrapped key is cut off",
            "first",
            DAMAGED,
            change_keys=partial(_set_key, place=mine, length=length),
        )
    yield Attack(
        "the key-encryption key is renamed",
        "first",
        SEALED,
        change_keys=partial(_set_key, place=mine, kek_id="kek_000000000000"),
    )
    yield Attack(
        "the key check value is changed",
        "first",
        SEALED,
        change_keys=partial(_set_key, place=mine, kek_check="0" * 16),
    )
    yield Attack(
        "the data key is lost",
        "first",
        GONE,
        change_keys=partial(_execute, statement=delete(DataKey).where(DataKey.id == mine.key_id)),
    )


def _place(session: Session, name: str, key_id: str) -> Place:
    seqs = session.scalars(
        select(ArtifactChunk.seq).where(ArtifactChunk.digest == name).order_by(ArtifactChunk.seq)
    )
    return Place(name, key_id, tuple(seqs))


def _chunk(session: Session, name: str, seq: int) -> bytes:
    return session.scalars(
        select(ArtifactChunk.data).where(ArtifactChunk.digest == name, ArtifactChunk.seq == seq)
    ).one()


def _write(session: Session, name: str, seq: int, data: bytes) -> None:
    named = (ArtifactChunk.digest == name, ArtifactChunk.seq == seq)
    session.execute(update(ArtifactChunk).where(*named).values(data=data))


def _cut(session: Session, place: Place, seq: int, length: int) -> None:
    _write(session, place.name, seq, _chunk(session, place.name, seq)[:length])


def _execute(session: Session, statement: Executable) -> None:
    session.execute(statement)


def _drop(session: Session, place: Place, seq: int) -> None:
    session.execute(delete(ArtifactChunk).where(ArtifactChunk.digest == place.name, ArtifactChunk.seq == seq))


def _set_key(session: Session, place: Place, *, length: int | None = None, **values: str) -> None:
    row = session.get_one(DataKey, place.key_id)
    if length is not None:
        row.wrapped = (row.wrapped or b"")[:length]
    for name, value in values.items():
        setattr(row, name, value)


def _name_version(session: Session, shallow: str, head: str) -> None:
    version = session.scalars(
        select(ModelVersion).join(Model).where(Model.name == "kept", ModelVersion.number == 1)
    ).one()
    version.shallow_digest, version.head_digest = shallow, head


def _flipped(data: bytes, at: int, bit: int) -> bytes:
    return data[:at] + bytes([data[at] ^ bit]) + data[at + 1 :]
