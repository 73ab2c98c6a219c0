/** WebAssembly, which TypeScript knows in browsers only. */
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: object };
};

/** A number that a module exports. */
export interface Global {
  readonly value: number;
}

/** What a module exports, by its bytes as Base64; it asks for nothing itself. */
export function instantiate<Exports extends object>(base64: string): Exports {
  const module = new WebAssembly.Module(Buffer.from(base64, 'base64'));
  return new WebAssembly.Instance(module).exports as Exports;
}
