export declare function bytes(length: number): Uint8Array;
export declare function random(): number;
