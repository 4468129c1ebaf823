// Tries each capability, as the request's path asks for.

import { configure, log, proceed, requestHook, responseHook } from "./sluice/index.js";
import * as clock from "./sluice/clock.js";
import * as crypto from "./sluice/crypto.js";
import { send, sendAll } from "./sluice/http-client.js";
import * as kv from "./sluice/kv.js";
import * as limiter from "./sluice/limiter.js";
import * as metrics from "./sluice/metrics.js";
import * as random from "./sluice/random.js";

const hex = (bytes: Uint8Array) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
const unhex = (text: string) => new Uint8Array((text.match(/../g) ?? []).map((pair) => parseInt(pair, 16)));

const works = (attempt: () => void) => {
  try {
    attempt();
    return true;
  } catch {
    return false;
  }
};

// RFC 8032, section 7.1, test 2.
const KEY = "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c";
const SIGNATURE =
  "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da" +
  "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00";

const tries: Record<string, () => unknown[]> = {
  "/log": () => {
    log.info("a line");
    return ["logged"];
  },
  "/clock": () => {
    const before = clock.monotonic();
    return [clock.now() > 1.6e12, clock.monotonic() >= before];
  },
  "/random": () => {
    const [a, b] = [random.bytes(16), random.bytes(16)];
    return [a.length, b.length, hex(a) === hex(b)];
  },
  "/kv": () => {
    kv.remove("value");
    kv.remove("count");
    const none = kv.get("value") ?? "none";
    kv.set("value", "v1", 60000);
    return [
      none, kv.get("value"), kv.increment("count", 2), kv.increment("count", 3), kv.remove("count"), kv.remove("count"),
    ];
  },
  "/kv-failure": () => {
    kv.set("text", "abc");
    return [works(() => kv.increment("text")) ? "counted" : "failed", kv.get("text")];
  },
  "/limiter": () => {
    const take = () => limiter.take("a", { rate: 2, periodMs: 3600000 }).admitted;
    return [take(), take(), take()];
  },
  "/metrics": () => [
    works(() => metrics.add("seen", { kind: "a" }, 2)),
    works(() => metrics.set("level", {}, 0.5)),
    works(() => metrics.observe("size", {}, 7)),
    works(() => metrics.add("no name")),
  ],
  "/send": () => {
    const answer = send({
      cluster: "users", method: "POST", target: "/new?a=b", headers: { "x-a": "1" }, body: "body", timeoutMs: 1000,
    });
    return answer.error === null ? [answer.status, answer.header("x-made"), answer.text()] : [answer.error];
  },
  "/batch": () => {
    const answers = sendAll([
      { cluster: "users", target: "/1" }, { cluster: "users", target: "/2" }, { cluster: "slow", target: "/" },
      { cluster: "other", target: "/" },
    ]);
    return answers.flatMap((answer) => {
      if (answer.error !== null) return [answer.error];
      return answer.ok ? [answer.status, answer.text()] : [answer.status];
    });
  },
  "/crypto": () => {
    const verify = (message: string) =>
      crypto.verify("eddsa", { tag: "point", val: unhex(KEY) }, unhex(message), unhex(SIGNATURE));
    return [
      hex(crypto.digest("sha256", "abc")).slice(0, 8),
      hex(crypto.hmac("sha256", "key", "The quick brown fox jumps over the lazy dog")).slice(0, 8),
      crypto.equal("a", "a"), crypto.equal("a", "b"), verify("72"), verify("73"),
    ];
  },
};

export const lifecycle = configure(() => {});

export const onRequest = requestHook((request) => {
  request.setHeader("x-seen", (tries[request.path]?.() ?? []).join(" "));
  return proceed;
});

export const onResponse = responseHook(() => proceed);
