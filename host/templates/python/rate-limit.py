"""{{NAME}}: so many requests of one client in a time."""

from sluice import Plugin, export
from sluice.limiter import limit


class PerClient(Plugin):
    def configure(self, config):
        self.rate = config.get("rate", 0)
        self.per_ms = config.get("per_ms", 0)
        if self.rate < 1 or self.per_ms < 1:
            raise ValueError("`rate` and `per_ms` must be at least 1")

    def check(self, request, exchange):
        return limit("per-client", exchange.client_address, self.rate, self.per_ms)


export(PerClient())
