import type { LogQuery } from '../logs/query/log-query.ts';
import type { Unsent } from '../logs/query/shortcoming.ts';
import type { UploadSource } from '../logs/record/source.ts';
import type { LogType } from '../logs/types/log-type.ts';

/** Milliseconds that what came last may be old while more is to come: so much is on its way in every log that is written. */
const USUAL = 60_000;

/** Milliseconds for which an upload that ends behind another one may be told of before it. */
const REORDERED = 60_000;

/** Milliseconds after which the word of a forwarder that is not heard of any more counts no more. */
const REMEMBERED = 3_600_000;

/** Files of one cluster that are told apart: what senders can make us remember is bounded. */
const MOST_FILES = 2_000;

/** What was said with the last upload of a file. */
interface Said {
  readonly type: LogType;
  readonly offset: number;
  readonly unsent: number;
  /** Time of the newest record that has come of it, and when it was said; milliseconds since 1970. */
  readonly newest: number;
  readonly at: number;
}

/** What forwarders have still to send, by what they say with their uploads; a manager that was just started knows nothing. */
export class UnsentLogs {
  /** By the cluster, and by the node, the file and its type, the one that was heard of last at the end. */
  readonly #said = new Map<string, Map<string, Said>>();

  note({ cluster, host, position }: UploadSource, type: LogType, newest: number | undefined, now: number): void {
    if (position?.unsent === undefined) return;
    const files = this.#said.get(cluster) ?? new Map<string, Said>();
    this.#said.set(cluster, files);
    const key = `${host}/${type.name}/${position.fileKey}`;
    const before = files.get(key);
    const { offset, unsent } = position;
    // Two are under way at once.
    if (before !== undefined && before.offset > offset && now - before.at < REORDERED) return;
    files.delete(key);
    files.set(key, { type, offset, unsent, newest: newest ?? before?.newest ?? now, at: now });
    for (const [oldest, { at, unsent: left }] of files) {
      if (files.size <= MOST_FILES && now - at < (left > 0 ? REMEMBERED : REORDERED)) break;
      files.delete(oldest);
    }
  }

  /** What is to come of what an answer is about, where that is more than is usual. */
  within({ clusters, types, until = Number.POSITIVE_INFINITY }: LogQuery, now: number): readonly Unsent[] {
    return clusters.flatMap((cluster) =>
      types.flatMap((type): Unsent[] => {
        const late = [...(this.#said.get(cluster)?.values() ?? [])].filter(
          (said) => said.type === type && isLate(said, now) && said.newest < until,
        );
        if (late.length === 0) return [];
        const newest = Math.min(...late.map((said) => said.newest));
        const bytes = late.reduce((sum, { unsent }) => sum + unsent, 0);
        return [{ kind: 'Unsent', cluster, type: type.name, newest: new Date(newest).toISOString(), bytes }];
      }),
    );
  }
}

function isLate({ unsent, newest, at }: Said, now: number): boolean {
  return unsent > 0 && now - newest > USUAL && now - at < REMEMBERED;
}
