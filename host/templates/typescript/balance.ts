// {{NAME}}: picks the least busy endpoint.

import { balancer, configure } from "./sluice/index.js";

export const lifecycle = configure(() => {});

export const balance = balancer((endpoints) => {
  const candidates = endpoints.filter((endpoint) => endpoint.healthy && !endpoint.tried);
  candidates.sort((a, b) => a.inFlight - b.inFlight);
  return candidates[0]?.index ?? null;
});
