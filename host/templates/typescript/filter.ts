// {{NAME}}: marks requests and answers, and removes what others needn't see.

import { answer, configure, proceed, requestHook, respond, responseHook } from "./sluice/index.js";

interface Config {
  greeting: string;
}

let config: Config;

export const lifecycle = configure((given: Config) => {
  if (!given.greeting) throw "`greeting` is needed";
  config = given;
});

export const onRequest = requestHook((request) => {
  if (request.path === "/coffee") return respond(answer(418, "I'm a teapot"));
  request.setHeader("x-greeting", config.greeting);
  request.removeHeader("x-debug");
  return proceed;
});

export const onResponse = responseHook((request, response) => {
  response.setHeader("x-greeting", config.greeting);
  response.removeHeader("x-powered-by");
  return proceed;
});
