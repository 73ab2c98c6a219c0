/**
 * A line of a container's log as runtimes write it (CRI): its time, stream, whether it is full or a part of a longer one,
 * and what the container wrote.
 *
 *     2026-08-20T10:15:00.123456789Z stdout F [INFO] ...
 */
const LINE = /^(\S+) (stdout|stderr) ([FP])(?::\S*)? (.*)$/s;

/** A joined line that is longer is none that anybody is interested in. */
const LONGEST = 64 * 1024;

/** What a container wrote as one line. */
export interface ContainerLine {
  /** RFC 3339, of its last part. */
  readonly time: string;
  readonly text: string;
}

/** Joins the parts of lines that runtimes have cut: those of one stream belong together, whatever comes between. */
export class ContainerLines {
  readonly #parts = new Map<string, string>();

  /** Whether no line has begun and not ended: then what comes next can be read without what came before. */
  get whole(): boolean {
    return this.#parts.size === 0;
  }

  /** The line that ends with this one of the file; undefined where none does. */
  join(line: string): ContainerLine | undefined {
    const [, time, stream = '', tag, text = ''] = LINE.exec(line) ?? [];
    if (time === undefined) return undefined;
    const before = this.#parts.get(stream);
    const joined = before === undefined ? text : `${before}${text}`.slice(0, LONGEST);
    if (tag === 'P') {
      this.#parts.set(stream, joined);
      return undefined;
    }
    this.#parts.delete(stream);
    return { time, text: joined };
  }
}
