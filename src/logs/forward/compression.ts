import { promisify } from 'node:util';
import { constants, gzip, zstdCompress } from 'node:zlib';

const gzipped = promisify(gzip);
const zstandard = promisify(zstdCompress);

/** How an upload's body can be compressed, each at its fastest; the words are those of `--compression`. */
export const COMPRESSIONS = ['gzip', 'zstd', 'none'] as const;
export type Compression = (typeof COMPRESSIONS)[number];

/** The body and, where it is compressed, the header that says how. */
export interface CompressedBody {
  readonly body: Buffer;
  readonly headers: { readonly 'content-encoding'?: Exclude<Compression, 'none'> };
}

export async function compress(bytes: Buffer, how: Compression): Promise<CompressedBody> {
  if (how === 'none') return { body: bytes, headers: {} };
  const body =
    how === 'gzip'
      ? await gzipped(bytes, { level: 1 })
      : await zstandard(bytes, { params: { [constants.ZSTD_c_compressionLevel]: 1 } });
  return { body, headers: { 'content-encoding': how } };
}
