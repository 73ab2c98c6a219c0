/** Longer than anything Kubernetes names: a name has at most 253 characters, a label with its value 381. */
export const MAX_TEXT = 1024;

/** Labels of an endpoint, policies of a flow. */
export const MAX_ITEMS = 1000;

/** Whole numbers, both ends inclusive. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** An object, or a list of objects, that was asked for. */
interface Below {
  readonly name: string;
  readonly fields: JsonFields | readonly JsonFields[];
}

/**
 * The members of a JSON object of a sender that nobody vouches for. Each is read by name and checked; a missing one,
 * null and Go's empty value are the same, since Go's encoder leaves out what is empty. What was never asked for is
 * still there at the end, see `rest`.
 *
 * There are several of these for each flow; what was asked for is in short lists, which cost less than maps do.
 *
 * Every method throws an Error that says what is wrong with which member.
 */
export class JsonFields {
  readonly #path: string;
  readonly #members: Readonly<Record<string, unknown>>;
  readonly #asked: string[] = [];
  readonly #below: Below[] = [];

  /** `path` names the object in errors: `Key.policies.`, or nothing for the outermost one. */
  constructor(value: unknown, path = '') {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new Error(`${path.slice(0, -1) || 'the line'} is not a JSON object`);
    }
    this.#path = path;
    this.#members = value as Readonly<Record<string, unknown>>;
  }

  /** A text; '' where it is missing, and for Calico's "-" that says that it does not apply. */
  text(name: string): string {
    const value = this.#checkedText(this.#take(name) ?? '', name);
    return value === '-' ? '' : value;
  }

  texts(name: string): readonly string[] {
    return this.#takeList(name).map((item) => this.#checkedText(item, name));
  }

  /** A whole number in that range; 0 where it is missing, which is not checked. */
  whole(name: string, { from, to }: Range): number {
    const value = this.#take(name) ?? 0;
    if (value === 0) return 0;
    if (!Number.isSafeInteger(value)) throw this.#wrong(name, 'is not a whole number');
    const number = value as number;
    if (number < from || number > to) throw this.#wrong(name, `is ${number}, not from ${from} to ${to}`);
    return number;
  }

  object(name: string): JsonFields | undefined {
    const value = this.#take(name);
    if (value === undefined || value === null) return undefined;
    const child = new JsonFields(value, `${this.#path}${name}.`);
    this.#below.push({ name, fields: child });
    return child;
  }

  objects(name: string): readonly JsonFields[] {
    const children = this.#takeList(name).map((item, at) => new JsonFields(item, `${this.#path}${name}[${at}].`));
    this.#below.push({ name, fields: children });
    return children;
  }

  /** The members nobody asked for, at their places in the objects and lists that were read. */
  rest(): Readonly<Record<string, unknown>> {
    return this.#rest() ?? {};
  }

  /** For what is wrong with the object as a whole. */
  error(what: string): Error {
    return new Error(`${this.#path.slice(0, -1) || 'the line'} ${what}`);
  }

  /** The same; undefined where there are none. */
  #rest(): Readonly<Record<string, unknown>> | undefined {
    const rest: [string, unknown][] = [];
    for (const name of Object.keys(this.#members)) {
      if (!this.#asked.includes(name)) rest.push([name, this.#members[name]]);
    }
    for (const { name, fields } of this.#below) {
      if (fields instanceof JsonFields) {
        const below = fields.#rest();
        if (below !== undefined) rest.push([name, below]);
      } else {
        const below = fields.map((each) => each.#rest());
        if (below.some((each) => each !== undefined)) rest.push([name, below.map((each) => each ?? {})]);
      }
    }
    return rest.length === 0 ? undefined : Object.fromEntries(rest);
  }

  #take(name: string): unknown {
    this.#asked.push(name);
    return this.#members[name];
  }

  #takeList(name: string): readonly unknown[] {
    const value = this.#take(name) ?? [];
    if (!Array.isArray(value)) throw this.#wrong(name, 'is not a list');
    if (value.length > MAX_ITEMS) throw this.#wrong(name, `has more than ${MAX_ITEMS} items`);
    return value;
  }

  #checkedText(value: unknown, name: string): string {
    if (typeof value !== 'string') throw this.#wrong(name, 'is not a text');
    if (value.length > MAX_TEXT) throw this.#wrong(name, `has more than ${MAX_TEXT} characters`);
    return value;
  }

  #wrong(name: string, what: string): Error {
    return new Error(`${this.#path}${name} ${what}`);
  }
}
