// What a plugin in JavaScript or TypeScript is made with. QuickJS has no TextEncoder, URL, console, timers or fetch: text
// goes through here, lines for the log through `log`, and time, randomness and requests through the modules beside.

import log_ from "sluice:plugin/log@0.1.0";

/** Lines for the gateway's log. */
export const log = {
  debug: (text) => log_.log("debug", String(text)),
  info: (text) => log_.log("info", String(text)),
  warn: (text) => log_.log("warn", String(text)),
  error: (text) => log_.log("error", String(text)),
};

/** Text as bytes in UTF-8. */
export function encode(text) {
  const escaped = unescape(encodeURIComponent(text));
  return Uint8Array.from(escaped, (character) => character.charCodeAt(0));
}

/** Bytes in UTF-8 as text; what isn't UTF-8 is read as Latin-1. */
export function decode(bytes) {
  let text = "";
  for (let at = 0; at < bytes.length; at += 8192) {
    text += String.fromCharCode(...bytes.slice(at, at + 8192));
  }
  try {
    return decodeURIComponent(escape(text));
  } catch {
    return text;
  }
}

/** Bytes one after the other. */
export function concat(...parts) {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const bytes = (value) => (typeof value === "string" ? encode(value) : value);
const text = (value) => (value === null || value === undefined ? null : decode(value));

/** What requests and responses have in common. */
class Message {
  #raw;

  constructor(raw) {
    this.#raw = raw;
  }

  /** The first value of a field, or null. */
  header(name) {
    return text(this.#raw.header(name));
  }

  /** All values of a field, in order. */
  headerValues(name) {
    return this.#raw.headerValues(name).map(decode);
  }

  /** All fields in order. */
  headers() {
    return this.#raw.headers().map(({ name, value }) => [name, decode(value)]);
  }

  setHeader(name, value) {
    edit(() => this.#raw.setHeader(name, bytes(value)));
  }

  appendHeader(name, value) {
    edit(() => this.#raw.appendHeader(name, bytes(value)));
  }

  removeHeader(name) {
    edit(() => this.#raw.removeHeader(name));
  }
}

/** An edit that the gateway refuses is an error that says why. */
function edit(change) {
  try {
    change();
  } catch (error) {
    throw new Error(`the edit was refused: ${reason(error)}`);
  }
}

class Request extends Message {
  #raw;

  constructor(raw) {
    super(raw);
    this.#raw = raw;
  }

  get method() {
    return this.#raw.method();
  }
  set method(value) {
    edit(() => this.#raw.setMethod(value));
  }
  get scheme() {
    return this.#raw.scheme();
  }
  get authority() {
    return this.#raw.authority();
  }
  get path() {
    return this.#raw.path();
  }
  set path(value) {
    edit(() => this.#raw.setPath(value));
  }
  get query() {
    return this.#raw.query() ?? null;
  }
  set query(value) {
    edit(() => this.#raw.setQuery(value));
  }

  /** What `{name}` in the route's path matched, or null. */
  capture(name) {
    return this.#raw.capture(name) ?? null;
  }
}

class Response extends Message {
  #raw;

  constructor(raw) {
    super(raw);
    this.#raw = raw;
  }

  get status() {
    return this.#raw.status();
  }
  set status(value) {
    edit(() => this.#raw.setStatus(value));
  }
  /** `upstream`, `plugin` or `gateway`. */
  get origin() {
    return this.#raw.origin();
  }
}

class Exchange {
  #raw;

  constructor(raw) {
    this.#raw = raw;
  }

  get id() {
    return this.#raw.id();
  }
  get route() {
    return this.#raw.route();
  }
  get listener() {
    return this.#raw.listener();
  }
  get clientAddress() {
    return this.#raw.clientAddress();
  }
  get identity() {
    return identity(this.#raw.identity());
  }

  /** What an earlier hook of this plugin kept for this exchange, or null. */
  get state() {
    const state = this.#raw.state();
    return state.length === 0 ? null : JSON.parse(decode(state));
  }
  set state(value) {
    edit(() => this.#raw.setState(encode(JSON.stringify(value))));
  }

  /** What a plugin published, by `plugin-name.attribute-name`; or null. */
  attribute(name) {
    return this.#raw.attribute(name) ?? null;
  }

  setAttribute(name, value) {
    edit(() => this.#raw.setAttribute(name, value));
  }
}

function identity(raw) {
  if (raw === null || raw === undefined) return null;
  const { subject, issuer, expiresAt, claims } = raw;
  return { subject, issuer: issuer ?? null, expiresAt: expiresAt ?? null, claims: JSON.parse(claims) };
}

/** An answer: a status, a body (text, bytes, or null), and fields. */
export function answer(status, body = null, headers = {}) {
  const fields = Object.entries(headers).map(([name, value]) => ({ name: name.toLowerCase(), value: bytes(value) }));
  if (typeof body === "string" && !fields.some(({ name }) => name === "content-type")) {
    fields.push({ name: "content-type", value: encode("text/plain; charset=utf-8") });
  }
  return { status, headers: fields, body: body === null ? new Uint8Array() : bytes(body) };
}

/** An answer in JSON. */
export function json(status, value, headers = {}) {
  return answer(status, JSON.stringify(value), { "content-type": "application/json", ...headers });
}

/** A problem document (RFC 9457). The title goes to the client. */
export function problem(status, title, headers = {}) {
  return answer(status, JSON.stringify({ title, status }), { "content-type": "application/problem+json", ...headers });
}

/** Decisions. */
export const noCredentials = { tag: "no-credentials" };
export const allowed = { tag: "allowed" };
export const proceed = { tag: "continue" };
export const needBody = { tag: "need-body" };
export const denied = (answer) => ({ tag: "denied", val: answer });
export const respond = (answer) => ({ tag: "respond", val: answer });
export const replace = (body) => ({ tag: "replace", val: bytes(body) });
export const admitted = (quota = null) => ({ tag: "admitted", val: quota });
export const rejected = (quota) => ({ tag: "rejected", val: quota });
export const identified = ({ subject, issuer = null, expiresAt = null, claims = {} }) => ({
  tag: "identified",
  val: { subject, issuer, expiresAt, claims: JSON.stringify(claims) },
});

/** The text of whatever was thrown. */
function reason(error) {
  if (typeof error === "string") return error;
  const payload = error?.payload ?? error;
  if (payload?.tag) return payload.val ? `${payload.tag}: ${payload.val}` : payload.tag;
  return payload?.message ?? String(payload);
}

/** A hook's error has to be a text. */
const guarded =
  (hook) =>
  (...args) => {
    try {
      return hook(...args);
    } catch (error) {
      throw reason(error);
    }
  };

// One of these for each hook; each is exported under the name of its interface.
export const configure = (hook) => ({ configure: guarded((config) => void hook(JSON.parse(config))) });
export const authenticator = (hook) => ({
  authenticate: guarded((request, exchange) => hook(new Request(request), new Exchange(exchange))),
});
export const authorizer = (hook) => ({
  authorize: guarded((request, exchange, who) => hook(new Request(request), new Exchange(exchange), identity(who))),
});
export const rateLimiter = (hook) => ({
  check: guarded((request, exchange) => hook(new Request(request), new Exchange(exchange))),
});
export const requestHook = (hook) => ({
  handle: guarded((request, exchange) => hook(new Request(request), new Exchange(exchange))),
});
export const requestBodyHook = (hook) => ({
  handle: guarded((request, exchange, body) => hook(new Request(request), new Exchange(exchange), body)),
});
export const requestChunkHook = (hook) => ({
  handle: guarded((exchange, chunk, last) => bytes(hook(new Exchange(exchange), chunk, last))),
});
export const responseChunkHook = requestChunkHook;
export const responseHook = (hook) => ({
  handle: guarded((request, response, exchange) =>
    hook(new Request(request), new Response(response), new Exchange(exchange)),
  ),
});
export const responseBodyHook = (hook) => ({
  handle: guarded((request, response, exchange, body) =>
    hook(new Request(request), new Response(response), new Exchange(exchange), body),
  ),
});
export const aggregator = (hook) => ({
  handle: guarded((request, exchange) => hook(new Request(request), new Exchange(exchange))),
});
export const balancer = (hook) => ({
  pick: (context, endpoints) => {
    const all = Array.from({ length: endpoints.len() }, (_, index) => ({
      index,
      address: endpoints.address(index),
      tried: context.tried(index),
      ...endpoints.get(index),
    }));
    return hook(all, {
      cluster: context.cluster(),
      attempt: context.attempt(),
      clientAddress: context.clientAddress() ?? null,
      path: context.path() ?? null,
      identity: identity(context.identity()),
      header: (name) => text(context.header(name)),
    });
  },
});
