// {{NAME}}: a user and their orders in one answer.

import { aggregator, configure, json, problem } from "./sluice/index.js";
import { sendAll } from "./sluice/http-client.js";

export const lifecycle = configure(() => {});

export const aggregate = aggregator((request) => {
  const id = request.capture("id") ?? "";
  if (!/^[0-9]+$/.test(id)) return problem(404, "There is no such user");
  const [user, orders] = sendAll([
    { cluster: "users", target: `/users/${id}` },
    { cluster: "orders", target: `/orders?user=${id}` },
  ]);
  if (!user?.ok) return problem(502, "The user can't be had");
  if (!orders?.ok) return json(200, { user: user.json() }, { "x-partial": "orders" });
  return json(200, { user: user.json(), orders: orders.json() });
});
