"""What an author implements, and what hooks get and return."""

from dataclasses import dataclass
from typing import Any

from wit_world.imports import types

from .exchange import Exchange, Identity
from .messages import Request, Response

# Decisions.
NO_CREDENTIALS = object()
ALLOWED = object()
CONTINUE = object()
NEED_BODY = object()


@dataclass
class Denied:
    """Of authenticate and authorize: answer with this."""

    answer: Any


@dataclass
class Respond:
    """Stop here and answer with this."""

    answer: Any


@dataclass
class Replace:
    """Send this body instead."""

    body: str | bytes


@dataclass
class Quota:
    """The state of one limit."""

    policy: str
    limit: int
    window_ms: int
    remaining: int
    reset_ms: int
    retry_after_ms: int = 0

    def _raw(self):
        return types.Quota(
            self.policy, self.limit, self.window_ms, self.remaining, self.reset_ms, self.retry_after_ms
        )


@dataclass
class Admitted:
    """Of check: go on."""

    quota: Quota | None = None


@dataclass
class Rejected:
    """Of check: answer 429."""

    quota: Quota


@dataclass
class Endpoint:
    """One endpoint of a cluster."""

    index: int
    address: str
    tried: bool
    weight: int
    in_flight: int
    latency_us: int
    healthy: bool
    failures: int


class Plugin:
    """A plugin. Implement the hooks of its role; keep nothing about a request in `self`."""

    def configure(self, config: dict[str, Any]) -> None:
        """Take the configuration. Raise ValueError to refuse it."""

    def authenticate(self, request: Request, exchange: Exchange):
        """Return an Identity, NO_CREDENTIALS or Denied(answer)."""
        raise NotImplementedError

    def authorize(self, request: Request, exchange: Exchange, identity: Identity | None):
        """Return ALLOWED or Denied(answer)."""
        raise NotImplementedError

    def check(self, request: Request, exchange: Exchange):
        """Return Admitted(quota) or Rejected(quota)."""
        raise NotImplementedError

    def on_request(self, request: Request, exchange: Exchange):
        """Return CONTINUE, Respond(answer) or NEED_BODY."""
        return CONTINUE

    def on_request_body(self, request: Request, exchange: Exchange, body: bytes):
        """Return CONTINUE, Replace(body) or Respond(answer)."""
        return CONTINUE

    def on_request_chunk(self, exchange: Exchange, chunk: bytes, last: bool) -> bytes:
        """A piece of a body: return what goes on in its place. All pieces of an exchange meet one instance, and it meets no
        others: `self` keeps what is needed."""
        return chunk

    def on_response_chunk(self, exchange: Exchange, chunk: bytes, last: bool) -> bytes:
        """Likewise of the answer's body."""
        return chunk

    def on_response(self, request: Request, response: Response, exchange: Exchange):
        """Return CONTINUE, Respond(answer) or NEED_BODY."""
        return CONTINUE

    def on_response_body(self, request: Request, response: Response, exchange: Exchange, body: bytes):
        """Return CONTINUE, Replace(body) or Respond(answer)."""
        return CONTINUE

    def aggregate(self, request: Request, exchange: Exchange):
        """Return an answer."""
        raise NotImplementedError

    def pick(self, endpoints: list[Endpoint], context) -> int | None:
        """Return the index of an endpoint, or None."""
        raise NotImplementedError
