export declare function add(name: string, labels?: Record<string, string | number>, by?: number): void;
export declare function set(name: string, labels: Record<string, string | number>, value: number): void;
export declare function observe(name: string, labels: Record<string, string | number>, value: number): void;
