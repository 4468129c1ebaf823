"""{{NAME}}: knows its callers by a token."""

from sluice import NO_CREDENTIALS, Denied, Identity, Plugin, export, problem


class Tokens(Plugin):
    def configure(self, config):
        if not config.get("token") or not config.get("subject"):
            raise ValueError("`token` and `subject` are needed")
        self.token = config["token"]
        self.subject = config["subject"]

    def authenticate(self, request, exchange):
        token = request.header("x-token")
        if token is None:
            return NO_CREDENTIALS
        if token != self.token:
            return Denied(problem(401, "The token isn't valid", {"www-authenticate": "Token"}))
        request.remove_header("x-token")
        return Identity(self.subject)


export(Tokens())
