import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, describe, it } from 'node:test';
import { Turns } from '../../turns.ts';
import type { UploadAnswer } from '../ingest/upload.ts';
import { flows } from '../types/flows.ts';
import type { Checkpoint } from './checkpoint.ts';
import type { ChunkUploader, UploadRequest } from './chunk-uploader.ts';
import { BEGINNING, LogFile } from './log-file.ts';
import { type Crossing, Passage } from './passage.ts';
import { unusableState } from './state-lock.ts';
import { ForwardSummary } from './summary.ts';

const folder = mkdtempSync(join(tmpdir(), 'passage-'));
after(() => rmSync(folder, { recursive: true }));

const LINE = `${'x'.repeat(99)}\n`;
const STORED: UploadAnswer = { accepted: 1, known: 0, setAside: 0, reasons: [] };

describe('Passage', () => {
  it('says why it has failed where a position could not be saved, but the next one was', async () => {
    const path = join(folder, 'flows.log');
    writeFileSync(path, LINE.repeat(3));
    const file = await LogFile.open(path);
    const full = unusableState(folder, new Error('no space left on device'));
    const firstSave = Promise.withResolvers<void>();
    const saves = [firstSave.promise];
    const checkpoint = { countSetAside: () => undefined, advance: () => saves.shift() ?? Promise.resolve() };
    // The third upload is under way for as long as it may be.
    const uploader: Pick<ChunkUploader, 'uploadOnce'> = {
      uploadOnce: async ({ chunk }: UploadRequest, signal: AbortSignal) => {
        if (chunk.offset < 2 * LINE.length) return STORED;
        firstSave.reject(full);
        await new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(signal.reason)));
        return STORED;
      },
    };
    const { signal } = new AbortController();
    const ignore = () => undefined;
    const crossing = {
      ...{ destination: 'there', summary: new ForwardSummary(), insist: false, halve: false, memories: [] },
      ...{ chunkBytes: LINE.length, turns: new Turns({ atOnce: 3, waiting: 3 }), stop: signal, signal },
      ...{ checkpoint: checkpoint as unknown as Checkpoint, uploader: uploader as ChunkUploader },
      events: { detail: ignore, warning: ignore, error: ignore },
    } as unknown as Crossing;
    const passage = new Passage({ type: flows, file, key: 'key', from: BEGINNING, input: path }, BEGINNING, crossing);
    await passage.send();
    await assert.rejects(passage.settled(), full);
    assert.equal(passage.acknowledged.offset, 2 * LINE.length);
    await file.close();
  });
});
