// {{NAME}}: makes capitals of requests, and counts the bytes of answers, while they pass.

import { concat, configure, encode, proceed, requestChunkHook, requestHook, responseChunkHook, responseHook } from "./sluice/index.js";

// All pieces of an exchange meet one instance, and it meets no others.
let count = 0;

export const lifecycle = configure(() => {});

export const onRequest = requestHook(() => proceed);

export const onRequestChunk = requestChunkHook((exchange, chunk) =>
  chunk.map((byte) => (byte >= 0x61 && byte <= 0x7a ? byte - 0x20 : byte)),
);

export const onResponse = responseHook(() => proceed);

export const onResponseChunk = responseChunkHook((exchange, chunk, last) => {
  count += chunk.length;
  return last ? concat(chunk, encode(`[${count}]`)) : chunk;
});
