import { checksum } from '../../../src/logs/record/checksum/checksum.ts';
import { isBlank, MAX_LINE } from '../../../src/logs/record/lines.ts';
import { fileKey } from '../../../src/logs/record/source.ts';
import { flows } from '../../../src/logs/types/flows.ts';

/** Of a line that is too long the manager keeps, and checks, the beginning. */
const KEPT = 4096;

/** One log file from its first line on, whatever becomes of its name and inode. */
export class LoggedFile {
  readonly #lines: { readonly offset: number; readonly checksum: string; readonly poison: boolean }[] = [];
  /** See fileKey; undefined as long as it has no record. */
  key: string | undefined;
  /** Bytes of complete lines. */
  size = 0;

  /** Takes note of a line, without its newline. A poisoned one cannot be stored, ever. */
  add(line: Buffer, { poison }: { readonly poison: boolean }): void {
    if (!isBlank(line)) {
      this.key ??= fileKey(line.subarray(0, MAX_LINE));
      const kept = line.length > MAX_LINE ? line.subarray(0, KEPT) : line;
      this.#lines.push({ offset: this.size, checksum: checksum(kept).toString(36), poison });
    }
    this.size += line.length + 1;
  }

  /** Ids of its records by its key and their offsets, as they are to be stored. */
  *ids(prefix: string, poison: boolean): Generator<string, void, void> {
    for (const line of this.#lines) {
      if (line.poison === poison) yield `${prefix}/${this.key}/${line.offset.toString(36)}/${line.checksum}`;
    }
  }
}

/** What has become of all lines of a round, in absolute numbers. */
export interface Reckoning {
  readonly records: number;
  readonly poisoned: number;
  /** Records that are not stored, and poisoned lines that are no dead letters. */
  readonly lost: number;
  /** Records of an id that another one has. */
  readonly repeated: number;
  /** The same of dead letters, which are kept by the day of their coming: sent again behind midnight they are two. */
  readonly keptOnTwoDays: number;
  /** Documents that no line is behind: of a wrong place, or a record among the dead letters. */
  readonly strange: number;
}

/** Compares what was written with the ids that are stored, as records and as dead letters, which begin with their type. */
export function reckon(
  files: readonly LoggedFile[],
  prefix: string,
  stored: readonly string[],
  deadLetters: readonly string[],
): Reckoning {
  const records = files.flatMap((file) => [...file.ids(prefix, false)]);
  const poisoned = files.flatMap((file) => [...file.ids(`${flows.name}/${prefix}`, true)]);
  const [good, bad] = [compare(records, stored), compare(poisoned, deadLetters)];
  return {
    records: records.length,
    poisoned: poisoned.length,
    lost: good.lost + bad.lost,
    repeated: good.repeated,
    keptOnTwoDays: bad.repeated,
    strange: good.strange + bad.strange,
  };
}

function compare(written: readonly string[], found: readonly string[]) {
  const expected = new Set(written);
  const different = new Set(found);
  return {
    lost: [...expected].filter((id) => !different.has(id)).length,
    strange: [...different].filter((id) => !expected.has(id)).length,
    repeated: found.length - different.size,
  };
}
