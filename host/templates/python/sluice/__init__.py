"""What a plugin in Python is made with.

Write a class that derives from `Plugin`, with a method for each hook, in plugin.py. The rest of this package holds the
capabilities: clock, crypto, http_client, kv, limiter, metrics, random. `log` writes to the gateway's log.
"""

from . import log
from .answers import answer, json, problem
from .convert import EditError
from .exchange import Exchange, Identity
from .exports import export
from .hooks import (
    ALLOWED,
    CONTINUE,
    NEED_BODY,
    NO_CREDENTIALS,
    Admitted,
    Denied,
    Endpoint,
    Plugin,
    Quota,
    Rejected,
    Replace,
    Respond,
)
from .messages import Request, Response

__all__ = [
    "ALLOWED",
    "CONTINUE",
    "NEED_BODY",
    "NO_CREDENTIALS",
    "Admitted",
    "Denied",
    "EditError",
    "Endpoint",
    "Exchange",
    "Identity",
    "Plugin",
    "Quota",
    "Rejected",
    "Replace",
    "Request",
    "Respond",
    "Response",
    "answer",
    "export",
    "json",
    "log",
    "problem",
]
