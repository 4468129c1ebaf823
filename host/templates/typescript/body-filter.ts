// {{NAME}}: lets a word neither in nor out.

import {
  configure, decode, needBody, problem, proceed, replace, requestBodyHook, requestHook, respond, responseBodyHook,
  responseHook,
} from "./sluice/index.js";

interface Config {
  word: string;
}

let word: string;

export const lifecycle = configure((config: Config) => {
  if (!config.word) throw "`word` is needed";
  word = config.word;
});

export const onRequest = requestHook(() => needBody);

export const onRequestBody = requestBodyHook((_request, _exchange, body) => {
  if (decode(body).includes(word)) return respond(problem(422, "That word isn't let in"));
  return proceed;
});

export const onResponse = responseHook(() => needBody);

export const onResponseBody = responseBodyHook((_request, _response, _exchange, body) => {
  const text = decode(body);
  return text.includes(word) ? replace(text.replaceAll(word, "***")) : proceed;
});
