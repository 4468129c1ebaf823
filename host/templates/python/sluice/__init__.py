"""What a plugin in Python is made with.

Write a class that derives from `Plugin`, with a method for each hook, in plugin.py. The rest of this package holds the
capabilities: clock, crypto, http_client, kv, limiter, metrics, random. `log` writes to the gateway's log.
"""

import json as _json
from dataclasses import dataclass, field
from typing import Any

from componentize_py_types import Err
from wit_world.imports import log as _log
from wit_world.imports import types as _types

try:
    from wit_world.exports import authenticate as _authenticate
except ImportError:
    pass
try:
    from wit_world.exports import authorize as _authorize
except ImportError:
    pass
try:
    from wit_world.exports import rate_limit as _rate_limit
except ImportError:
    pass


class EditError(Exception):
    """The gateway refused an edit; nothing was changed."""


def _edit(change, *arguments):
    try:
        change(*arguments)
    except Err as error:
        value = error.value
        raise EditError(getattr(value, "value", type(value).__name__)) from None


def _bytes(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


def _text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")


class log:
    """Lines for the gateway's log."""

    @staticmethod
    def debug(text: str) -> None:
        _log.log(_log.Level.DEBUG, text)

    @staticmethod
    def info(text: str) -> None:
        _log.log(_log.Level.INFO, text)

    @staticmethod
    def warning(text: str) -> None:
        _log.log(_log.Level.WARN, text)

    @staticmethod
    def error(text: str) -> None:
        _log.log(_log.Level.ERROR, text)


class _Message:
    """What requests and responses have in common."""

    def __init__(self, raw):
        self._raw = raw

    def header(self, name: str) -> str | None:
        """The first value of a field."""
        value = self._raw.header(name)
        return None if value is None else _text(value)

    def header_values(self, name: str) -> list[str]:
        """All values of a field, in order."""
        return [_text(value) for value in self._raw.header_values(name)]

    def headers(self) -> list[tuple[str, str]]:
        """All fields in order."""
        return [(each.name, _text(each.value)) for each in self._raw.headers()]

    def set_header(self, name: str, value: str | bytes) -> None:
        _edit(self._raw.set_header, name, _bytes(value))

    def append_header(self, name: str, value: str | bytes) -> None:
        _edit(self._raw.append_header, name, _bytes(value))

    def remove_header(self, name: str) -> None:
        _edit(self._raw.remove_header, name)


class Request(_Message):
    """The request. Can be changed in the hooks of the request phase."""

    @property
    def method(self) -> str:
        return self._raw.method()

    @method.setter
    def method(self, value: str) -> None:
        _edit(self._raw.set_method, value)

    @property
    def scheme(self) -> str:
        return self._raw.scheme()

    @property
    def authority(self) -> str:
        return self._raw.authority()

    @property
    def path(self) -> str:
        """Normalized and percent-encoded, without the query."""
        return self._raw.path()

    @path.setter
    def path(self, value: str) -> None:
        _edit(self._raw.set_path, value)

    @property
    def query(self) -> str | None:
        return self._raw.query()

    @query.setter
    def query(self, value: str | None) -> None:
        _edit(self._raw.set_query, value)

    def capture(self, name: str) -> str | None:
        """What `{name}` in the route's path matched."""
        return self._raw.capture(name)


class Response(_Message):
    """The answer on its way to the client."""

    @property
    def status(self) -> int:
        return self._raw.status()

    @status.setter
    def status(self, value: int) -> None:
        _edit(self._raw.set_status, value)

    @property
    def origin(self) -> str:
        """`upstream`, `plugin` or `gateway`."""
        return self._raw.origin().name.lower()


@dataclass
class Identity:
    """Who sends a request."""

    subject: str
    issuer: str | None = None
    expires_at: int | None = None
    claims: dict[str, Any] = field(default_factory=dict)

    @staticmethod
    def _from(raw) -> "Identity | None":
        return None if raw is None else Identity(raw.subject, raw.issuer, raw.expires_at, _json.loads(raw.claims))

    def _raw(self):
        return _types.Identity(self.subject, self.issuer, self.expires_at, _json.dumps(self.claims))


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
        return _json.loads(state) if state else None

    @state.setter
    def state(self, value: Any) -> None:
        _edit(self._raw.set_state, _json.dumps(value).encode())

    def attribute(self, name: str) -> str | None:
        """What a plugin published, by `plugin-name.attribute-name`."""
        return self._raw.attribute(name)

    def set_attribute(self, name: str, value: str) -> None:
        _edit(self._raw.set_attribute, name, value)


def answer(status: int, body: str | bytes = b"", headers: dict[str, str] | None = None):
    """An answer."""
    fields = {name.lower(): value for name, value in (headers or {}).items()}
    if isinstance(body, str):
        fields.setdefault("content-type", "text/plain; charset=utf-8")
    listed = [_types.Field(name, _bytes(value)) for name, value in fields.items()]
    return _types.LocalResponse(status, listed, _bytes(body))


def json(status: int, value: Any, headers: dict[str, str] | None = None):
    """An answer in JSON."""
    return answer(status, _json.dumps(value), {"content-type": "application/json", **(headers or {})})


def problem(status: int, title: str, headers: dict[str, str] | None = None):
    """A problem document (RFC 9457). The title goes to the client."""
    body = _json.dumps({"title": title, "status": status})
    return answer(status, body, {"content-type": "application/problem+json", **(headers or {})})


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
        return _types.Quota(
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


_plugin: Plugin | None = None


def export(plugin: Plugin) -> None:
    """Make this the plugin."""
    global _plugin
    _plugin = plugin


def _guarded(hook):
    """An error has to be a text for the gateway."""

    def call(self, *arguments):
        try:
            return hook(self, *arguments)
        except Err:
            raise
        except Exception as error:
            text = str(error) if isinstance(error, (ValueError, EditError)) else f"{type(error).__name__}: {error}"
            raise Err(text) from None

    return call


def _decision(decision):
    if decision is CONTINUE:
        return _types.Decision_Continue()
    if decision is NEED_BODY:
        return _types.Decision_NeedBody()
    return _types.Decision_Respond(decision.answer)


def _body_decision(decision):
    if decision is CONTINUE:
        return _types.BodyDecision_Continue()
    if isinstance(decision, Replace):
        return _types.BodyDecision_Replace(_bytes(decision.body))
    return _types.BodyDecision_Respond(decision.answer)


# What the gateway calls: one class for each interface of the contract. componentize-py takes those of the world.
class Lifecycle:
    @_guarded
    def configure(self, config):
        _plugin.configure(_json.loads(config))


class Authenticate:
    @_guarded
    def authenticate(self, request, exchange):
        outcome = _plugin.authenticate(Request(request), Exchange(exchange))
        if outcome is NO_CREDENTIALS:
            return _authenticate.Authentication_NoCredentials()
        if isinstance(outcome, Identity):
            return _authenticate.Authentication_Identified(outcome._raw())
        return _authenticate.Authentication_Denied(outcome.answer)


class Authorize:
    @_guarded
    def authorize(self, request, exchange, identity):
        outcome = _plugin.authorize(Request(request), Exchange(exchange), Identity._from(identity))
        if outcome is ALLOWED:
            return _authorize.Authorization_Allowed()
        return _authorize.Authorization_Denied(outcome.answer)


class RateLimit:
    @_guarded
    def check(self, request, exchange):
        verdict = _plugin.check(Request(request), Exchange(exchange))
        if isinstance(verdict, Rejected):
            return _rate_limit.Verdict_Rejected(verdict.quota._raw())
        return _rate_limit.Verdict_Admitted(None if verdict.quota is None else verdict.quota._raw())


class OnRequest:
    @_guarded
    def handle(self, request, exchange):
        return _decision(_plugin.on_request(Request(request), Exchange(exchange)))


class OnRequestBody:
    @_guarded
    def handle(self, request, exchange, body):
        return _body_decision(_plugin.on_request_body(Request(request), Exchange(exchange), body))


class OnResponse:
    @_guarded
    def handle(self, request, response, exchange):
        return _decision(_plugin.on_response(Request(request), Response(response), Exchange(exchange)))


class OnResponseBody:
    @_guarded
    def handle(self, request, response, exchange, body):
        return _body_decision(
            _plugin.on_response_body(Request(request), Response(response), Exchange(exchange), body)
        )


class Aggregate:
    @_guarded
    def handle(self, request, exchange):
        return _plugin.aggregate(Request(request), Exchange(exchange))


class Balance:
    def pick(self, context, endpoints):
        listed = []
        for index in range(endpoints.len()):
            each = endpoints.get(index)
            listed.append(
                Endpoint(
                    index,
                    endpoints.address(index),
                    context.tried(index),
                    each.weight,
                    each.in_flight,
                    each.latency_us,
                    each.healthy,
                    each.failures,
                )
            )
        return _plugin.pick(listed, context)
