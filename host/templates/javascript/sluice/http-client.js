// Requests to the clusters that the grant names. Grant: http-client.

import client from "sluice:plugin/http-client@0.1.0";
import { decode, encode } from "./index.js";

function outgoing({ cluster, method = "GET", target, headers = {}, body = "", timeoutMs = null }) {
  const fields = Object.entries(headers).map(([name, value]) => ({ name: name.toLowerCase(), value: encode(value) }));
  return { cluster, method, target, headers: fields, body: typeof body === "string" ? encode(body) : body, timeoutMs };
}

/** An answer, or `{ ok: false, error }` if there is none. */
function incoming(result) {
  if (result.tag === "err") return { ok: false, status: 0, error: result.val.tag };
  const { status, headers, body } = result.val;
  return {
    ok: status >= 200 && status <= 299,
    status,
    error: null,
    header: (name) => {
      const field = headers.find((field) => field.name === name.toLowerCase());
      return field ? decode(field.value) : null;
    },
    bytes: () => body,
    text: () => decode(body),
    json: () => JSON.parse(decode(body)),
  };
}

/** All at once, in parallel; the answers are in the order of the requests. */
export const sendAll = (requests) => client.sendAll(requests.map(outgoing)).map(incoming);

/** One request: `{ cluster, target, method, headers, body, timeoutMs }`. */
export const send = (request) => sendAll([request])[0];
