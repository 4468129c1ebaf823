export declare function get(key: string): string | null;
export declare function set(key: string, value: string, ttlMs?: number | null): void;
export declare function remove(key: string): boolean;
export declare function increment(key: string, by?: number, ttlMs?: number | null): number;
