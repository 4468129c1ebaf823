"""Randomness that nobody can foresee. Grant: random. Python's own `random` has the same seed in every instance."""

from wit_world.imports import random as _random


def token_bytes(length: int) -> bytes:
    """Up to 4096 random bytes."""
    return _random.bytes(length)


def below(limit: int) -> int:
    """A number from 0 up to, not including, the limit."""
    return int.from_bytes(_random.bytes(16), "little") % limit
