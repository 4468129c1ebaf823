"""Lines for the gateway's log."""

from wit_world.imports import log as _log


def debug(text: str) -> None:
    _log.log(_log.Level.DEBUG, text)


def info(text: str) -> None:
    _log.log(_log.Level.INFO, text)


def warning(text: str) -> None:
    _log.log(_log.Level.WARN, text)


def error(text: str) -> None:
    _log.log(_log.Level.ERROR, text)
