"""Time. Grant: clock. (`time.time()` isn't to be had.)"""

from wit_world.imports import clock as _clock


def now() -> float:
    """Seconds since 1970."""
    return _clock.now() / 1e9


def monotonic() -> float:
    """Seconds since some moment; never goes back."""
    return _clock.monotonic() / 1e9
