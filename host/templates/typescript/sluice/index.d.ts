/** What a plugin in TypeScript is made with; `index.js` beside has the code. */

export declare const log: Record<"debug" | "info" | "warn" | "error", (text: unknown) => void>;
export declare function encode(text: string): Uint8Array;
export declare function decode(bytes: Uint8Array): string;
export declare function concat(...parts: Uint8Array[]): Uint8Array;

export interface Message {
  /** The first value of a field, or null. */
  header(name: string): string | null;
  /** All values of a field, in order. */
  headerValues(name: string): string[];
  /** All fields in order. */
  headers(): [name: string, value: string][];
  setHeader(name: string, value: string | Uint8Array): void;
  appendHeader(name: string, value: string | Uint8Array): void;
  removeHeader(name: string): void;
}

export interface Request extends Message {
  method: string;
  readonly scheme: string;
  readonly authority: string;
  /** Normalized and percent-encoded, without the query. */
  path: string;
  query: string | null;
  /** What `{name}` in the route's path matched, or null. */
  capture(name: string): string | null;
}

export interface Response extends Message {
  status: number;
  readonly origin: "upstream" | "plugin" | "gateway";
}

export interface Identity {
  subject: string;
  issuer: string | null;
  /** Seconds since 1970. */
  expiresAt: number | null;
  claims: Record<string, unknown>;
}

export interface Exchange {
  readonly id: string;
  readonly route: string;
  readonly listener: string;
  readonly clientAddress: string;
  readonly identity: Identity | null;
  /** Kept for this plugin's later hooks of the same exchange: anything that JSON can hold. */
  state: unknown;
  attribute(name: string): string | null;
  setAttribute(name: string, value: string): void;
}

export interface Quota {
  policy: string;
  limit: number;
  windowMs: number;
  remaining: number;
  resetMs: number;
  retryAfterMs: number;
}

export interface Answer {
  readonly status: number;
  readonly headers: { name: string; value: Uint8Array }[];
  readonly body: Uint8Array;
}

export declare function answer(status: number, body?: string | Uint8Array | null, headers?: Record<string, string>): Answer;
export declare function json(status: number, value: unknown, headers?: Record<string, string>): Answer;
export declare function problem(status: number, title: string, headers?: Record<string, string>): Answer;

declare const kind: unique symbol;
interface Outcome<Kind> {
  readonly [kind]: Kind;
}
export type Authentication = Outcome<"authentication">;
export type Authorization = Outcome<"authorization">;
export type Verdict = Outcome<"verdict">;
export type Decision = Outcome<"decision">;
export type BodyDecision = Outcome<"body">;

export declare const noCredentials: Authentication;
export declare const allowed: Authorization;
export declare const proceed: Decision & BodyDecision;
export declare const needBody: Decision;
export declare function denied(answer: Answer): Authentication & Authorization;
export declare function respond(answer: Answer): Decision & BodyDecision;
export declare function replace(body: string | Uint8Array): BodyDecision;
export declare function admitted(quota?: Quota | null): Verdict;
export declare function rejected(quota: Quota): Verdict;
export declare function identified(identity: Partial<Identity> & { subject: string }): Authentication;

export interface Endpoint {
  index: number;
  address: string;
  tried: boolean;
  weight: number;
  inFlight: number;
  latencyUs: number;
  healthy: boolean;
  failures: number;
}

export interface PickContext {
  cluster: string;
  attempt: number;
  clientAddress: string | null;
  path: string | null;
  identity: Identity | null;
  header(name: string): string | null;
}

/** What is exported for a hook, under the name of its interface. */
interface Exported<Hook> {
  readonly [kind]: Hook;
}

export declare function configure<Config>(hook: (config: Config) => void): Exported<"lifecycle">;
export declare function authenticator(
  hook: (request: Request, exchange: Exchange) => Authentication,
): Exported<"authenticate">;
export declare function authorizer(
  hook: (request: Request, exchange: Exchange, identity: Identity | null) => Authorization,
): Exported<"authorize">;
export declare function rateLimiter(hook: (request: Request, exchange: Exchange) => Verdict): Exported<"rate-limit">;
export declare function requestHook(hook: (request: Request, exchange: Exchange) => Decision): Exported<"on-request">;
export declare function requestBodyHook(
  hook: (request: Request, exchange: Exchange, body: Uint8Array) => BodyDecision,
): Exported<"on-request-body">;
/** Returns what goes on in place of this piece. All pieces of an exchange meet one instance, and it meets no others. */
export declare function requestChunkHook(
  hook: (exchange: Exchange, chunk: Uint8Array, last: boolean) => Uint8Array | string,
): Exported<"on-request-chunk">;
export declare function responseChunkHook(
  hook: (exchange: Exchange, chunk: Uint8Array, last: boolean) => Uint8Array | string,
): Exported<"on-response-chunk">;
export declare function responseHook(
  hook: (request: Request, response: Response, exchange: Exchange) => Decision,
): Exported<"on-response">;
export declare function responseBodyHook(
  hook: (request: Request, response: Response, exchange: Exchange, body: Uint8Array) => BodyDecision,
): Exported<"on-response-body">;
export declare function aggregator(hook: (request: Request, exchange: Exchange) => Answer): Exported<"aggregate">;
export declare function balancer(
  hook: (endpoints: Endpoint[], context: PickContext) => number | null,
): Exported<"balance">;
