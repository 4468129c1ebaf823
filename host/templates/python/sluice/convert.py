"""Between the contract's types and Python's. For the modules of this package."""

from componentize_py_types import Err


class EditError(Exception):
    """The gateway refused an edit; nothing was changed."""


def edit(change, *arguments):
    try:
        change(*arguments)
    except Err as error:
        value = error.value
        raise EditError(getattr(value, "value", type(value).__name__)) from None


def bytes_of(value: str | bytes) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


def text(value: bytes) -> str:
    return value.decode("utf-8", "surrogateescape")
