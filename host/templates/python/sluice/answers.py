"""Answers that a plugin makes by itself."""

import json as _json
from typing import Any

from wit_world.imports import types

from .convert import bytes_of


def answer(status: int, body: str | bytes = b"", headers: dict[str, str] | None = None):
    """An answer."""
    fields = {name.lower(): value for name, value in (headers or {}).items()}
    if isinstance(body, str):
        fields.setdefault("content-type", "text/plain; charset=utf-8")
    listed = [types.Field(name, bytes_of(value)) for name, value in fields.items()]
    return types.LocalResponse(status, listed, bytes_of(body))


def json(status: int, value: Any, headers: dict[str, str] | None = None):
    """An answer in JSON."""
    return answer(status, _json.dumps(value), {"content-type": "application/json", **(headers or {})})


def problem(status: int, title: str, headers: dict[str, str] | None = None):
    """A problem document (RFC 9457). The title goes to the client."""
    body = _json.dumps({"title": title, "status": status})
    return answer(status, body, {"content-type": "application/problem+json", **(headers or {})})
