// {{NAME}}: knows its callers by a token.

import { authenticator, configure, denied, identified, noCredentials, problem } from "./sluice/index.js";

interface Config {
  token: string;
  subject: string;
}

let config: Config;

export const lifecycle = configure((given: Config) => {
  if (!given.token || !given.subject) throw "`token` and `subject` are needed";
  config = given;
});

export const authenticate = authenticator((request) => {
  const token = request.header("x-token");
  if (token === null) return noCredentials;
  if (token !== config.token) return denied(problem(401, "The token isn't valid", { "www-authenticate": "Token" }));
  request.removeHeader("x-token");
  return identified({ subject: config.subject });
});
