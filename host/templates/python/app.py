"""Where componentize-py begins. plugin.py is the file to change."""

from sluice.exports import (  # noqa: F401
    Aggregate,
    Authenticate,
    Authorize,
    Balance,
    Lifecycle,
    OnRequest,
    OnRequestBody,
    OnRequestChunk,
    OnResponse,
    OnResponseBody,
    OnResponseChunk,
    RateLimit,
)
import plugin  # noqa: F401
