"""One request with its answer, and who sent it."""

import json
from dataclasses import dataclass, field
from typing import Any

from wit_world.imports import types

from .convert import edit


@dataclass
class Identity:
    """Who sends a request."""

    subject: str
    issuer: str | None = None
    expires_at: int | None = None
    claims: dict[str, Any] = field(default_factory=dict)

    @staticmethod
    def _from(raw) -> "Identity | None":
        return None if raw is None else Identity(raw.subject, raw.issuer, raw.expires_at, json.loads(raw.claims))

    def _raw(self):
        return types.Identity(self.subject, self.issuer, self.expires_at, json.dumps(self.claims))


class Exchange:
    """One request and its answer: what is known besides."""

    def __init__(self, raw):
        self._raw = raw

    @property
    def id(self) -> str:
        return self._raw.id()

    @property
    def route(self) -> str:
        return self._raw.route()

    @property
    def listener(self) -> str:
        return self._raw.listener()

    @property
    def client_address(self) -> str:
        return self._raw.client_address()

    @property
    def identity(self) -> Identity | None:
        return Identity._from(self._raw.identity())

    @property
    def state(self) -> Any:
        """What an earlier hook of this plugin kept for this exchange: anything that JSON can hold."""
        state = self._raw.state()
        return json.loads(state) if state else None

    @state.setter
    def state(self, value: Any) -> None:
        edit(self._raw.set_state, json.dumps(value).encode())

    def attribute(self, name: str) -> str | None:
        """What a plugin published, by `plugin-name.attribute-name`."""
        return self._raw.attribute(name)

    def set_attribute(self, name: str, value: str) -> None:
        edit(self._raw.set_attribute, name, value)
