"""Requests to the clusters that the grant names. Grant: http-client."""

import json as _json
from dataclasses import dataclass, field
from typing import Any

from componentize_py_types import Ok
from wit_world.imports import http_client as _client
from wit_world.imports import types as _types

from .convert import bytes_of, text


@dataclass
class Outgoing:
    """A request. `target` is path and query."""

    cluster: str
    target: str
    method: str = "GET"
    headers: dict[str, str] = field(default_factory=dict)
    body: str | bytes = b""
    timeout_ms: int | None = None


@dataclass
class Incoming:
    """An answer; without one, `status` is 0 and `error` says why: `timeout`, `unavailable`, `too-large` …"""

    status: int
    headers: dict[str, str]
    body: bytes
    error: str | None = None

    @property
    def ok(self) -> bool:
        return 200 <= self.status <= 299

    def text(self) -> str:
        return text(self.body)

    def json(self) -> Any:
        return _json.loads(self.body)


def send_all(requests: list[Outgoing]) -> list[Incoming]:
    """All at once, in parallel; the answers are in the order of the requests."""
    return [_incoming(result) for result in _client.send_all([_outgoing(request) for request in requests])]


def send(request: Outgoing) -> Incoming:
    """One request."""
    return send_all([request])[0]


def _outgoing(request: Outgoing):
    headers = [_types.Field(name.lower(), bytes_of(value)) for name, value in request.headers.items()]
    return _client.OutgoingRequest(
        request.cluster, request.method, request.target, headers, bytes_of(request.body), request.timeout_ms
    )


def _incoming(result) -> Incoming:
    if isinstance(result, Ok):
        headers = {each.name: text(each.value) for each in result.value.headers}
        return Incoming(result.value.status, headers, result.value.body)
    return Incoming(0, {}, b"", _reason(type(result.value).__name__.removeprefix("ClientError_")))


def _reason(case: str) -> str:
    """As the contract has it: `TooLarge` is `too-large`."""
    return "".join(f"-{each.lower()}" if each.isupper() else each for each in case).lstrip("-")
