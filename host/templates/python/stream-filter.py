"""{{NAME}}: makes capitals of requests, and counts the bytes of answers, while they pass."""

from sluice import Plugin, export


class Passer(Plugin):
    # All pieces of an exchange meet one instance, and it meets no others.
    count = 0

    def on_request_chunk(self, exchange, chunk, last):
        return chunk.upper()

    def on_response_chunk(self, exchange, chunk, last):
        self.count += len(chunk)
        return chunk + f"[{self.count}]".encode() if last else chunk


export(Passer())
