"""{{NAME}}: marks requests and answers, and removes what others needn't see."""

from sluice import CONTINUE, Plugin, Respond, answer, export


class Greeter(Plugin):
    def configure(self, config):
        self.greeting = config.get("greeting")
        if not self.greeting:
            raise ValueError("`greeting` is needed")

    def on_request(self, request, exchange):
        if request.path == "/coffee":
            return Respond(answer(418, "I'm a teapot"))
        request.set_header("x-greeting", self.greeting)
        request.remove_header("x-debug")
        return CONTINUE

    def on_response(self, request, response, exchange):
        response.set_header("x-greeting", self.greeting)
        response.remove_header("x-powered-by")
        return CONTINUE


export(Greeter())
