"""Small values kept by the gateway, shared by all instances of this plugin. Grant: kv."""

from wit_world.imports import kv as _kv


def get(key: str) -> bytes | None:
    return _kv.get(key)


def set(key: str, value: bytes, ttl_ms: int | None = None) -> None:
    _kv.set(key, value, ttl_ms)


def delete(key: str) -> bool:
    """Whether there was something to delete."""
    return _kv.delete(key)


def increment(key: str, by: int = 1, ttl_ms: int | None = None) -> int:
    """Add to a counter in one step and return the sum."""
    return _kv.increment(key, by, ttl_ms)
