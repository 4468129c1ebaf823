// {{NAME}}: everybody may look, admins may change things.

import { allowed, authorizer, configure, denied, problem } from "./sluice/index.js";

let config;

export const lifecycle = configure((given) => {
  if (!Array.isArray(given.admins)) throw "admins: must be a list of subjects";
  config = given;
});

export const authorize = authorizer((request, exchange, identity) => {
  const isAdmin = identity !== null && config.admins.includes(identity.subject);
  if (isAdmin || request.method === "GET") return allowed;
  return denied(problem(403, "Only admins may change things"));
});
