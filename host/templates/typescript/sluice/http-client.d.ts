export interface Outgoing {
  cluster: string;
  /** Path and query. */
  target: string;
  method?: string;
  headers?: Record<string, string>;
  body?: string | Uint8Array;
  timeoutMs?: number | null;
}
export type Incoming =
  | {
      /** Whether the status is 200 to 299. */
      ok: boolean;
      status: number;
      error: null;
      header(name: string): string | null;
      bytes(): Uint8Array;
      text(): string;
      json(): unknown;
    }
  | { ok: false; status: 0; error: string };
export declare function send(request: Outgoing): Incoming;
export declare function sendAll(requests: Outgoing[]): Incoming[];
