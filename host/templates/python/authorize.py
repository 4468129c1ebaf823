"""{{NAME}}: everybody may look, admins may change things."""

from sluice import ALLOWED, Denied, Plugin, export, problem


class Admins(Plugin):
    def configure(self, config):
        self.admins = config.get("admins")
        if not isinstance(self.admins, list):
            raise ValueError("admins: must be a list of subjects")

    def authorize(self, request, exchange, identity):
        is_admin = identity is not None and identity.subject in self.admins
        if is_admin or request.method == "GET":
            return ALLOWED
        return Denied(problem(403, "Only admins may change things"))


export(Admins())
