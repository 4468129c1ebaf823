"""{{NAME}}: picks the least busy endpoint."""

from sluice import Plugin, export


class LeastBusy(Plugin):
    def pick(self, endpoints, context):
        candidates = [each for each in endpoints if each.healthy and not each.tried]
        if not candidates:
            return None
        return min(candidates, key=lambda each: each.in_flight).index


export(LeastBusy())
