/** Longer than anything Kubernetes names: a name has at most 253 characters, a label with its value 381. */
const MAX_TEXT = 1024;

/** Labels of an endpoint, policies of a flow. */
const MAX_ITEMS = 1000;

/**
 * The members of a JSON object of a sender that nobody vouches for. Each is read by name and checked; a missing one,
 * null and Go's empty value are the same, since Go's encoder leaves out what is empty. What was never asked for is
 * still there at the end, see `rest`.
 *
 * Every method throws an Error that says what is wrong with which member.
 */
export class JsonFields {
  readonly #path: string;
  readonly #unread: Map<string, unknown>;
  readonly #children = new Map<string, JsonFields | readonly JsonFields[]>();

  /** `path` names the object in errors: `Key.policies.`, or nothing for the outermost one. */
  constructor(value: unknown, path = '') {
    if (typeof value !== 'object' || value === null || Array.isArray(value)) {
      throw new Error(`${path.slice(0, -1) || 'the line'} is not a JSON object`);
    }
    this.#path = path;
    this.#unread = new Map(Object.entries(value));
  }

  /** A text; '' where it is missing, and for Calico's "-" that says that it does not apply. */
  text(name: string): string {
    const value = this.#checkedText(this.#take(name) ?? '', name);
    return value === '-' ? '' : value;
  }

  texts(name: string): readonly string[] {
    return this.#takeList(name).map((item) => this.#checkedText(item, name));
  }

  /** A whole number in that range (both ends inclusive); 0 where it is missing, which is not checked. */
  whole(name: string, { from = 0, to = Number.MAX_SAFE_INTEGER } = {}): number {
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
    this.#children.set(name, child);
    return child;
  }

  objects(name: string): readonly JsonFields[] {
    const children = this.#takeList(name).map((item, at) => new JsonFields(item, `${this.#path}${name}[${at}].`));
    this.#children.set(name, children);
    return children;
  }

  /** The members nobody asked for, at their places in the objects and lists that were read. */
  rest(): Readonly<Record<string, unknown>> {
    const rest = new Map(this.#unread);
    for (const [name, child] of this.#children) {
      const below = child instanceof JsonFields ? child.rest() : child.map((each) => each.rest());
      if ([below].flat().some(hasMembers)) rest.set(name, below);
    }
    return Object.fromEntries(rest);
  }

  /** For what is wrong with the object as a whole. */
  error(what: string): Error {
    return new Error(`${this.#path.slice(0, -1) || 'the line'} ${what}`);
  }

  #take(name: string): unknown {
    const value = this.#unread.get(name);
    this.#unread.delete(name);
    return value;
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

function hasMembers(object: object): boolean {
  return Object.keys(object).length > 0;
}
