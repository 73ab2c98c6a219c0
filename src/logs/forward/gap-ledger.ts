import { randomBytes } from 'node:crypto';
import { FORMATS, refuseNewer } from '../../formats.ts';
import type { LogTypeName } from '../types/log-type.ts';
import type { LineCount } from './line-count.ts';
import { StateFile } from './state-file.ts';

/**
 * Why records are missing: the spool had no room for them, a part of it was damaged, or a file was gone, or overwritten,
 * before it was shipped.
 */
export type GapReason = 'SpoolFull' | 'SpoolDamaged' | 'FileGone';

/** Records that were lost. */
export interface Gap {
  readonly type: LogTypeName;
  /** Where they were; the path or pattern that files are found by, where they were in several. */
  readonly path: string;
  readonly input: string;
  /** RFC 3339: the times of the first and the last, or between which they were written. */
  readonly from: string;
  readonly to: string;
  /** Left out where nobody has counted them. */
  readonly count?: number;
  readonly bytes: number;
  readonly reason: GapReason;
}

/** Gaps that are sent together, and sent again as they are until they are acknowledged. */
export interface GapBatch {
  /** As of a file, see fileKey. */
  readonly key: string;
  readonly gaps: readonly Gap[];
}

interface Content {
  /** What comes is added to these: as few as there are inputs and reasons, however long it takes. */
  readonly waiting: readonly Gap[];
  readonly batch?: GapBatch;
  /** What was counted as lost and may be found again after a crash. */
  readonly causes: readonly string[];
}

const NAME = 'gaps';
const IF_LOST = 'gaps that were not shipped are forgotten';
const VERSION = FORMATS.gaps;

/** What was lost, until the manager knows. Each change is on disk before anything is deleted for good. */
export class GapLedger {
  readonly #file: StateFile;
  readonly #onLost: (gap: Gap) => void;
  #onChange: () => void = () => undefined;
  #content: Content = { waiting: [], causes: [] };
  #last: Promise<void> = Promise.resolve();

  private constructor(directory: string, onLost: (gap: Gap) => void) {
    this.#file = new StateFile(directory, NAME, IF_LOST);
    this.#onLost = onLost;
  }

  /** `onLost` is told of what is counted from now on. @throws UserError when the directory cannot be used. */
  static load(
    directory: string,
    onDamaged: (warning: string) => void,
    onLost: (gap: Gap) => void = () => undefined,
  ): GapLedger {
    const ledger = new GapLedger(directory, onLost);
    ledger.#file.read((text) => {
      ledger.#content = parseContent(text);
    }, onDamaged);
    return ledger;
  }

  /** Those that are not acknowledged. */
  get pending(): readonly Gap[] {
    return [...(this.#content.batch?.gaps ?? []), ...this.#content.waiting];
  }

  /** Whom to tell when something more is lost. */
  whenChanged(tell: () => void): void {
    this.#onChange = tell;
  }

  /**
   * Counts what is lost by a cause, once for each cause. Resolves once that is on disk.
   * @throws UserError when it cannot be saved: then it is not counted.
   */
  async add(gap: Gap, cause: string): Promise<void> {
    let isNew = false;
    await this.#change((content) => {
      isNew = !content.causes.includes(cause);
      if (!isNew) return content;
      const at = content.waiting.findIndex((other) => isAlike(other, gap));
      const waiting = [...content.waiting];
      const alike = waiting[at];
      if (alike === undefined) waiting.push(gap);
      else waiting[at] = together(alike, gap);
      return { ...content, waiting, causes: [...content.causes, cause] };
    });
    if (!isNew) return;
    this.#onLost(gap);
    this.#onChange();
  }

  /** Whether what is lost by a cause is counted. */
  has(cause: string): boolean {
    return this.#content.causes.includes(cause);
  }

  /** What these causes lie in is gone for good, so that it cannot be found again. The next save has it. */
  settle(isGone: (cause: string) => boolean): void {
    this.#last = this.#last.then(() => {
      const causes = this.#content.causes.filter((cause) => !isGone(cause));
      this.#content = { ...this.#content, causes };
    });
  }

  /** What is to be sent now; undefined when nothing is missing. @throws UserError */
  async nextBatch(): Promise<GapBatch | undefined> {
    if (this.#content.batch === undefined && this.#content.waiting.length > 0) {
      await this.#change(({ waiting, causes }) => ({
        waiting: [],
        batch: { key: randomBytes(16).toString('hex'), gaps: waiting },
        causes,
      }));
    }
    return this.#content.batch;
  }

  /** The batch is acknowledged. @throws UserError */
  async shipped(): Promise<void> {
    await this.#change(({ waiting, causes }) => ({ waiting, causes }));
  }

  /** One after the other: what cannot be saved has not happened. */
  async #change(next: (content: Content) => Content): Promise<void> {
    const change = this.#last.then(async () => {
      const before = this.#content;
      const content = next(before);
      if (content === before) return;
      await this.#file.replace({ version: VERSION, ...content });
      this.#content = content;
    });
    this.#last = change.catch(() => undefined);
    await change;
  }
}

/** A gap from when its records were counted, or were last seen where nobody has. */
export function gapOf(
  place: Pick<Gap, 'type' | 'path' | 'input' | 'bytes' | 'reason'>,
  count: LineCount | undefined,
  seen: number,
): Gap {
  const now = Date.now();
  const { records, from = Math.min(seen, now), to = now } = count ?? {};
  return {
    ...place,
    from: new Date(from).toISOString(),
    to: new Date(to).toISOString(),
    ...(records === undefined ? {} : { count: records }),
  };
}

function isAlike(a: Gap, b: Gap): boolean {
  const isCounted = (gap: Gap) => gap.count !== undefined;
  return a.type === b.type && a.input === b.input && a.reason === b.reason && isCounted(a) === isCounted(b);
}

function together(a: Gap, b: Gap): Gap {
  return {
    ...a,
    path: a.path === b.path ? a.path : a.input,
    from: a.from < b.from ? a.from : b.from,
    to: a.to > b.to ? a.to : b.to,
    ...(a.count === undefined || b.count === undefined ? {} : { count: a.count + b.count }),
    bytes: a.bytes + b.bytes,
  };
}

/** @throws SyntaxError with what is wrong. */
function parseContent(text: string): Content {
  const parsed = JSON.parse(text) as (Partial<Content> & { readonly version?: unknown }) | null;
  refuseNewer('the list of gaps', parsed?.version, VERSION);
  if (parsed?.version !== VERSION) throw new SyntaxError(`it is not of version ${VERSION}`);
  const { waiting, batch, causes } = parsed;
  if (![waiting, causes, batch?.gaps ?? []].every(Array.isArray)) throw new SyntaxError('it has gaps that are none');
  return { waiting: waiting ?? [], causes: causes ?? [], ...(batch === undefined ? {} : { batch }) };
}
