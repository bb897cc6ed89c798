"""One attack after the other on a running service, each undone before the next."""

from collections.abc import Callable

from app.db.keystore.models import KeyBase
from app.db.models import Base
from app.db.session import Sessions
from app.vault.keyring import Keyring, read_keyring, write_keyring
from app.vault.sealing import new_data_key
from security.attacks import GONE, SEALED, Attack
from security.bank import Bank
from security.report import Report
from security.snapshot import Snapshot

TABLES = tuple(
    Base.metadata.tables[name]
    for name in ("artifacts", "artifact_chunks", "model_versions", "deposits", "deposit_modules")
)
KEY_TABLES = (KeyBase.metadata.tables["data_keys"],)


class Siege:
    """The service, its databases, and what its callers are answered when nothing is wrong."""

    def __init__(self, bank: Bank, service: Sessions, key_store: Sessions, report: Report) -> None:
        self._bank = bank
        self._service = service
        self._key_store = key_store
        self._report = report
        self._rows = Snapshot(service, TABLES)
        self._keys = Snapshot(key_store, KEY_TABLES)
        self._right = {model: bank.ask(model, bank.owner) for model in bank.deposits}
        self._target = {model: bank.ask(model, bank.member) for model in bank.deposits}

    def everybody_is_answered_as_before(self, kind: str) -> None:
        for model in self._bank.deposits:
            self._report.expect(kind, "undone", self._bank.ask(model, self._bank.owner), self._right[model])
            told = self._bank.ask(model, self._bank.member)
            self._report.expect(kind, "target serves on", told, self._target[model])

    def strike(self, attack: Attack) -> None:
        """Do it, ask, undo it, ask again."""
        if attack.change is not None:
            with self._service.write() as session:
                attack.change(session)
        if attack.change_keys is not None:
            with self._key_store.write() as session:
                attack.change_keys(session)
        self._judge(attack.kind, attack.model, attack.refusal)
        self._rows.put_back()
        self._keys.put_back()
        self._bank.forget_what_is_cached()
        told = self._bank.ask(attack.model, self._bank.owner)
        self._report.expect(attack.kind, "undone", told, self._right[attack.model])

    def _judge(self, kind: str, model: str, refusal: tuple[int, str]) -> None:
        """Whoever holds the right is refused; everybody else is answered by the target, as before."""
        bank = self._bank
        bank.forget_what_is_cached()
        self._report.expect(kind, "refused", bank.ask(model, bank.owner).refusal, refusal)
        if self._target[model].net == "target":
            told = bank.ask(model, bank.member)
            self._report.expect(kind, "target serves on", told, self._target[model])

    def lose_the_key(self) -> None:
        """No keyring, one with other keys, one with a wrong key of the same id, and one that others may read."""
        file = self._bank.settings.keyring_file
        ring = read_keyring(file)
        other = {"kek_other": new_data_key()}
        losses: dict[str, Callable[[], object]] = {
            "the keyring is lost": file.unlink,
            "the keyring has other keys": lambda: write_keyring(file, Keyring("kek_other", other)),
            "the keyring has a wrong key": lambda: write_keyring(
                file, Keyring(ring.newest, {ring.newest: new_data_key()})
            ),
            "the keyring may be read by others": lambda: file.chmod(0o644),
        }
        for kind, lose in losses.items():
            lose()
            self._judge(kind, "first", SEALED)
            write_keyring(file, ring)
            self._bank.forget_what_is_cached()
            self.everybody_is_answered_as_before(kind)

    def erase(self) -> None:
        """An erased deposit stays erased, even where its rows come back from a backup of the database."""
        bank = self._bank
        kind = "a deposit is erased"
        bank.admin.erase(bank.deposits["first"], after=0)
        self._report.expect(kind, "refused", bank.withdraw("first"), GONE)
        self._report.expect(kind, "target serves on", bank.ask("first", bank.owner).net, "target")
        kind = "an erased deposit's rows are put back from a backup"
        self._rows.put_back()
        bank.forget_what_is_cached()
        self._report.expect(kind, "refused", bank.ask("first", bank.owner).refusal, GONE)
        told = bank.ask("first", bank.member)
        self._report.expect(kind, "target serves on", told, self._target["first"])
