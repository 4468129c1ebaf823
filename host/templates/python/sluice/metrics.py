"""Numbers of the plugin's own in the gateway's /metrics. Grant: metrics. Never use what a client sends as a label."""

from wit_world.imports import metrics as _metrics


def _labels(labels: dict[str, str]):
    return [_metrics.Label(name, str(value)) for name, value in labels.items()]


def add(name: str, by: int = 1, **labels: str) -> None:
    """Add to a counter."""
    _metrics.add(name, _labels(labels), by)


def set(name: str, value: float, **labels: str) -> None:
    """Set a gauge."""
    _metrics.set(name, _labels(labels), value)


def observe(name: str, value: float, **labels: str) -> None:
    """Record a value in a histogram."""
    _metrics.observe(name, _labels(labels), value)
