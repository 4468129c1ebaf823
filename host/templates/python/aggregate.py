"""{{NAME}}: a user and their orders in one answer."""

from sluice import Plugin, export, json, problem
from sluice.http_client import Outgoing, send_all


class Overview(Plugin):
    def aggregate(self, request, exchange):
        id = request.capture("id") or ""
        if not (id.isascii() and id.isdigit()):
            return problem(404, "There is no such user")
        user, orders = send_all([Outgoing("users", f"/users/{id}"), Outgoing("orders", f"/orders?user={id}")])
        if not user.ok:
            return problem(502, "The user can't be had")
        if not orders.ok:
            return json(200, {"user": user.json()}, {"x-partial": "orders"})
        return json(200, {"user": user.json(), "orders": orders.json()})


export(Overview())
