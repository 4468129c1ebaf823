"""Rate limits that are exact, on one machine and on a fleet. Grant: limiter."""

from wit_world.imports import limiter as _limiter

from .hooks import Admitted, Quota, Rejected


def take(key: str, rate: int, period_ms: int, burst: int | None = None, cost: int = 1):
    """Take tokens of a key, or none of them."""
    return _limiter.take(key, _limiter.Limit(rate, period_ms, burst or rate), cost)


def limit(policy: str, key: str, rate: int, period_ms: int, burst: int | None = None, cost: int = 1):
    """The verdict about one request of a key, under the name of a policy."""
    outcome = take(key, rate, period_ms, burst, cost)
    quota = Quota(policy, rate, period_ms, outcome.remaining, outcome.reset_ms, outcome.retry_after_ms)
    return Admitted(quota) if outcome.admitted else Rejected(quota)
