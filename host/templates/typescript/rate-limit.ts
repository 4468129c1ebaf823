// {{NAME}}: so many requests of one client in a time.

import { configure, rateLimiter } from "./sluice/index.js";
import { limit } from "./sluice/limiter.js";

interface Config {
  rate: number;
  per_ms: number;
}

let config: Config;

export const lifecycle = configure((given: Config) => {
  if (!(given.rate >= 1 && given.per_ms >= 1)) throw "`rate` and `per_ms` must be at least 1";
  config = given;
});

export const rateLimit = rateLimiter((request, exchange) =>
  limit("per-client", exchange.clientAddress, { rate: config.rate, periodMs: config.per_ms }),
);
