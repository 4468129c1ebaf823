"""What the gateway calls, in terms of the author's plugin."""

import json

from componentize_py_types import Err
from wit_world.imports import types

from .convert import EditError, bytes_of
from .exchange import Exchange, Identity
from .hooks import ALLOWED, CONTINUE, NEED_BODY, NO_CREDENTIALS, Endpoint, Plugin, Rejected, Replace
from .messages import Request, Response

# Modules of the hooks that the world has.
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
        return types.Decision_Continue()
    if decision is NEED_BODY:
        return types.Decision_NeedBody()
    return types.Decision_Respond(decision.answer)


def _body_decision(decision):
    if decision is CONTINUE:
        return types.BodyDecision_Continue()
    if isinstance(decision, Replace):
        return types.BodyDecision_Replace(bytes_of(decision.body))
    return types.BodyDecision_Respond(decision.answer)


# What the gateway calls: one class for each interface of the contract. componentize-py takes those of the world.
class Lifecycle:
    @_guarded
    def configure(self, config):
        _plugin.configure(json.loads(config))


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


class OnRequestChunk:
    @_guarded
    def handle(self, exchange, chunk, last):
        return bytes_of(_plugin.on_request_chunk(Exchange(exchange), chunk, last))


class OnResponseChunk:
    @_guarded
    def handle(self, exchange, chunk, last):
        return bytes_of(_plugin.on_response_chunk(Exchange(exchange), chunk, last))


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
