"""Damaged and forged files, sent to wherever the service takes files."""

import base64
import itertools
import json
import socket
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st

from security.fuzz import bombs, forged, seeds
from security.fuzz.mutations import damaged
from security.fuzz.seeds import JSON_TOKENS
from security.fuzz.tally import Tally
from security.fuzz.target import MODEL, SPEC, Target

TIMEOUT_SECONDS = 60
SOCKET_SECONDS = 5

Send = Callable[[bytes], httpx.Request]


class Gun:
    """Makes requests of files as an owner, who may upload everything, and counts the answers.

    Args:
        target: the service.
        tally: counts the answers.
        name: what uploaded models and data sets are called, with a number.
    """

    def __init__(self, target: Target, tally: Tally, name: str = "fuzzed") -> None:
        self._name = name
        self._numbers = itertools.count()
        self._key = target.keys["owner"]
        self._http = httpx.Client(
            base_url=target.url,
            headers={"Authorization": f"Bearer {self._key}"},
            timeout=TIMEOUT_SECONDS,
        )
        self._tally = tally

    def close(self) -> None:
        self._http.close()

    def fire(self, kind: str, request: httpx.Request, what: str) -> None:
        """Send; ``what`` describes it should the answer be wrong."""
        described = f"{request.method} {request.url.path} with {what}"
        try:
            answer = self._http.send(request)
        except httpx.TransportError as error:
            self._tally.unanswered(kind, described, repr(error))
            return
        self._tally.answered(
            kind, described, answer.status_code, answer.headers.get("X-Request-ID", ""), answer.content
        )

    # the ways in

    def image_in_body(self, image: bytes) -> httpx.Request:
        return self._posted("/predict", params={"model": MODEL}, content=image, headers=_typed("image/png"))

    def image_in_form(self, image: bytes) -> httpx.Request:
        return self._posted("/predict", data={"model": MODEL}, files={"image": ("i.png", image)})

    def image_in_json(self, image: bytes) -> httpx.Request:
        return self._posted("/predict", json={"model": MODEL, "images": [base64.b64encode(image).decode()]})

    def images_in_json(self, image: bytes) -> httpx.Request:
        """The same image a thousand times."""
        return self._posted(
            "/predict", json={"model": MODEL, "images": [base64.b64encode(image).decode()] * 1000}
        )

    def image_in_query(self, image: bytes) -> httpx.Request:
        text = base64.urlsafe_b64encode(image[:2000]).decode()
        return self._http.build_request("GET", "/predict", params={"model": MODEL, "image": text})

    def weights(self, file: bytes, **spec: str) -> httpx.Request:
        described = json.dumps({"name": f"{self._name}-{next(self._numbers)}", **SPEC, **spec})
        return self._posted("/models", data={"spec": described}, files={"weights": ("w.safetensors", file)})

    def dataset(self, file: bytes) -> httpx.Request:
        name = f"{self._name}-{next(self._numbers)}"
        return self._posted("/datasets", data={"name": name}, files={"file": ("d", file)})

    def tensor(self, body: bytes) -> httpx.Request:
        """As the Open Inference Protocol's binary data extension sends it; the JSON is as long as it was undamaged."""
        headers = {"Inference-Header-Content-Length": str(seeds.TENSOR_JSON_BYTES)}
        return self._posted(f"/v2/models/{MODEL}/infer", content=body, headers=headers)

    def packed_tensor(self, body: bytes) -> httpx.Request:
        headers = {"Content-Encoding": "deflate"}
        return self._posted(f"/v2/models/{MODEL}/infer", content=zlib.compress(body), headers=headers)

    def json(self, path: str) -> Send:
        return lambda body: self._posted(path, content=body, headers=_typed("application/json"))

    def form(self, path: str) -> Send:
        kind = _typed("multipart/form-data; boundary=edge")
        return lambda body: self._posted(path, content=body, headers=kind)

    def bytes_of(self, request: httpx.Request) -> bytes:
        """The request as it goes over the wire."""
        lines = [f"{request.method} {request.url.raw_path.decode()} HTTP/1.1"]
        lines += [f"{name}: {value}" for name, value in request.headers.items()]
        return "\r\n".join([*lines, "", ""]).encode() + request.read()

    def _posted(self, path: str, **arguments: Any) -> httpx.Request:
        return self._http.build_request("POST", path, **arguments)


@dataclass(frozen=True)
class Kind:
    """A sort of file, the ways in that it is sent, and its share of all requests."""

    name: str
    files: st.SearchStrategy[bytes]
    ways: tuple[Send, ...]
    share: float


def fuzz_files(target: Target, count: int, seed_: int, tally: Tally) -> None:
    """Send every bomb once and ``count`` damaged and forged files and requests."""
    gun = Gun(target, tally)
    try:
        for name, send, files in _bombs(gun):
            for what, file in files:
                gun.fire(name, send(file), what)
        for kind in _kinds(gun):
            _fuzz(gun, kind, round(count * kind.share), seed_)
        _fuzz_wire(target, gun, round(count * WIRE_SHARE), seed_, tally)
    finally:
        gun.close()


def warm_up(target: Target) -> None:
    """Have the service import what it imports at the first file of a kind, and at the first torchvision network."""
    gun = Gun(target, Tally(), "warm-up")
    for send, files in (
        (gun.image_in_body, seeds.images()),
        (gun.weights, seeds.safetensors()),
        (gun.dataset, seeds.parquet()),
        (gun.dataset, seeds.archives()),
    ):
        gun.fire("warm-up", send(files.files[0]), "a good file")
    gun.fire("warm-up", gun.weights(b"", architecture="resnet18"), "no weights")
    gun.close()


def _kinds(gun: Gun) -> Iterator[Kind]:
    images, archives, parquet, tensors = (
        seeds.images(),
        seeds.archives(),
        seeds.parquet(),
        seeds.safetensors(),
    )
    ways_in = (gun.image_in_body, gun.image_in_form, gun.image_in_json, gun.image_in_query)
    yield Kind("damaged images", damaged(images.files, images.tokens), ways_in, 0.29)
    yield Kind("damaged safetensors", damaged(tensors.files, tensors.tokens), (gun.weights,), 0.10)
    yield Kind("forged safetensors", forged.tensor_files(), (gun.weights,), 0.10)
    yield Kind("damaged Parquet", damaged(parquet.files, parquet.tokens), (gun.dataset,), 0.12)
    yield Kind("forged Parquet", forged.tables(), (gun.dataset,), 0.08)
    yield Kind("damaged ZIP", damaged(archives.files, archives.tokens), (gun.dataset,), 0.10)
    yield Kind("forged ZIP", forged.archives(), (gun.dataset,), 0.06)
    for path, body in seeds.bodies().items():
        yield Kind(f"damaged JSON to {path}", damaged((body,), JSON_TOKENS), (gun.json(path),), 0.01)
    tensor = seeds.tensor()
    yield Kind(
        "damaged V2 tensors", damaged(tensor.files, tensor.tokens), (gun.tensor, gun.packed_tensor), 0.04
    )
    form = seeds.form()
    yield Kind(
        "damaged forms", damaged(form.files, form.tokens), (gun.form("/predict"), gun.form("/datasets")), 0.02
    )


WIRE_SHARE = 0.02


def _bombs(gun: Gun) -> Iterator[tuple[str, Send, Iterator[tuple[str, bytes]]]]:
    yield "image bombs", gun.image_in_body, bombs.image_bombs()
    yield "image bombs, 1,000 at once", gun.images_in_json, bombs.small_image_bombs()
    yield "safetensors bombs", gun.weights, bombs.tensor_bombs()
    yield "Parquet bombs", gun.dataset, bombs.parquet_bombs()
    yield "ZIP bombs", gun.dataset, bombs.archive_bombs()


def _fuzz(gun: Gun, kind: Kind, count: int, seed_: int) -> None:
    numbers = itertools.count()

    def send(file: bytes) -> None:
        way = kind.ways[next(numbers) % len(kind.ways)]
        gun.fire(kind.name, way(file), f"{len(file)} bytes, {file[:40].hex()}… (number {next(numbers) // 2})")

    _generate(kind.files, send, count, seed_)


def _fuzz_wire(target: Target, gun: Gun, count: int, seed_: int, tally: Tally) -> None:
    """Damage whole requests, request line and headers included, and send them as bytes."""
    request = gun.bytes_of(gun.json("/grants")(seeds.bodies()["/grants"]))
    tokens = (
        b"Transfer-Encoding: chunked\r\n",
        b"Content-Length: -1\r\n",
        b"\r\n\r\n",
        b"HTTP/9.9",
        b"%00",
        b"..%2f",
    )
    host, port = target.url.removeprefix("http://").split(":")

    def send(data: bytes) -> None:
        with socket.create_connection((host, int(port)), SOCKET_SECONDS) as connection:
            connection.sendall(data)
            connection.shutdown(socket.SHUT_WR)
            answer = _received(connection)
        head, _, body = answer.partition(b"\r\n\r\n")
        status = head[9:12]
        if head.startswith(b"HTTP/1.1 ") and status.isdigit():
            tally.answered("damaged HTTP", repr(data[:200]), int(status), _request_id(head), body)
        else:
            tally.hung_up("damaged HTTP")

    _generate(damaged((request,), tokens), send, count, seed_)


def _generate(files: st.SearchStrategy[bytes], send: Callable[[bytes], None], count: int, seed_: int) -> None:
    """Call ``send`` with ``count`` files, the same ones for the same seed."""
    if count == 0:
        return

    @seed(seed_)
    @settings(
        max_examples=count,
        phases=[Phase.generate],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(files)
    def run(file: bytes) -> None:
        send(file)

    run()


def _received(connection: socket.socket) -> bytes:
    pieces = []
    try:
        while piece := connection.recv(65536):
            pieces.append(piece)
    except (TimeoutError, ConnectionResetError):
        pass
    return b"".join(pieces)


def _request_id(head: bytes) -> str:
    for line in head.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"x-request-id":
            return value.strip().decode()
    return ""


def _typed(media_type: str) -> dict[str, str]:
    return {"Content-Type": media_type}
