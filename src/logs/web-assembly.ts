/** WebAssembly, which TypeScript knows in browsers only. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: object };
};

/** An exported number. */
export interface Global {
  readonly value: number;
}

/** What a module exports whose bytes these are, in base64. */
export function instantiate(wasm: string): object {
  const module = new WebAssembly.Module(Buffer.from(wasm, 'base64'));
  return new WebAssembly.Instance(module).exports;
}
