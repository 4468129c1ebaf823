"""{{NAME}}: lets a word neither in nor out."""

from sluice import CONTINUE, NEED_BODY, Plugin, Replace, Respond, export, problem


class Censor(Plugin):
    def configure(self, config):
        if not config.get("word"):
            raise ValueError("`word` is needed")
        self.word = config["word"].encode()

    def on_request(self, request, exchange):
        return NEED_BODY

    def on_request_body(self, request, exchange, body):
        if self.word in body:
            return Respond(problem(422, "That word isn't let in"))
        return CONTINUE

    def on_response(self, request, response, exchange):
        return NEED_BODY

    def on_response_body(self, request, response, exchange, body):
        return Replace(body.replace(self.word, b"***")) if self.word in body else CONTINUE


export(Censor())
