import { createHash, randomUUID } from 'node:crypto';
import { mkdirSync, renameSync, rmSync } from 'node:fs';
import { type FileHandle, open } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { createGunzip } from 'node:zlib';
import { systemWords, UserError } from '../../errors.ts';
import { ImportError, RecordScanner } from './record-scanner.ts';

const READ = 1024 * 1024;

const BYTE_ORDER_MARK = Buffer.from([0xef, 0xbb, 0xbf]);
const GZIP = Buffer.from([0x1f, 0x8b]);

/**
 * Writes the records of a file into one of the state directory, one a line: what a forwarder ships, and goes on with where
 * it was interrupted. The same file makes the same bytes, so that it may be deleted and made again.
 * @returns its path @throws UserError when the file cannot be read, or is not what holds records
 */
export async function writeImportedLines(path: string, stateDirectory: string, signal: AbortSignal): Promise<string> {
  const name = createHash('sha256').update(resolve(path)).digest('hex').slice(0, 16);
  const target = join(stateDirectory, `import-${name}.ndjson`);
  const draft = `${target}.${randomUUID()}.draft`;
  let source: FileHandle | undefined;
  try {
    source = await open(path);
    mkdirSync(stateDirectory, { recursive: true, mode: 0o700 });
    await convert(source, draft, signal);
    renameSync(draft, target);
    return target;
  } catch (error) {
    rmSync(draft, { force: true });
    signal.throwIfAborted();
    const what = error instanceof ImportError ? error.message : systemWords(error);
    throw new UserError(`error: ${path}: ${what}`, { cause: error });
  } finally {
    await source?.close();
  }
}

async function convert(source: FileHandle, draft: string, signal: AbortSignal): Promise<void> {
  const bytes = bytesOf(source);
  const first = (await bytes.next()).value ?? Buffer.alloc(0);
  const all = (async function* () {
    yield first;
    yield* bytes;
  })();
  // There before anything can fail, so that it can be removed then.
  const target = (await open(draft, 'wx', 0o600)).createWriteStream();
  if (first.subarray(0, GZIP.length).equals(GZIP)) {
    await pipeline(all, createGunzip({ chunkSize: READ }), recordLines, target, { signal });
  } else {
    await pipeline(all, recordLines, target, { signal });
  }
}

async function* bytesOf(source: FileHandle): AsyncGenerator<Buffer, undefined, void> {
  for (;;) {
    const { bytesRead, buffer } = await source.read(Buffer.allocUnsafe(READ), 0, READ, null);
    if (bytesRead === 0) return undefined;
    yield buffer.subarray(0, bytesRead);
  }
}

async function* recordLines(parts: AsyncIterable<Buffer>): AsyncGenerator<Buffer, void, void> {
  const scanner = new RecordScanner();
  let first = true;
  for await (const part of parts) {
    const marked = first && part.subarray(0, BYTE_ORDER_MARK.length).equals(BYTE_ORDER_MARK);
    yield Buffer.concat(scanner.take(marked ? part.subarray(BYTE_ORDER_MARK.length) : part));
    first = false;
  }
  yield Buffer.concat(scanner.end());
}
