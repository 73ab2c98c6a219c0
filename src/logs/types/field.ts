import { fewKeywords, storedLabels } from './fields.ts';
import type { LogType } from './log-type.ts';

/**
 * What a field holds, which decides what can be asked of it. `labels` is a list of `key=value`; `attributes` are values
 * under keys that nobody knows beforehand.
 */
export type FieldKind = 'keyword' | 'labels' | 'attributes' | 'text' | 'ip' | 'date' | 'number' | 'boolean';

/** One field of a log type that can be searched. */
export interface Field {
  /** Its name in queries: Calico's. */
  readonly name: string;
  readonly kind: FieldKind;
  /** Its path in a stored record. */
  readonly path: string;
  /** Path of the list of objects that it is in, each of which is looked at by itself. */
  readonly nested?: string;
  /** It is not indexed: each record is read for it, which takes its time, and of labels the key has to be known. */
  readonly stored?: true;
  /** There are few values of it, however many records. */
  readonly few?: true;
}

/** What can be asked of a kind of field. */
export interface Abilities {
  /** Smaller and greater: keywords by their bytes. */
  readonly ordered: boolean;
  /** `*` and `?` in sets. */
  readonly wildcards: boolean;
}

export const ABILITIES: Readonly<Record<FieldKind, Abilities>> = {
  keyword: { ordered: true, wildcards: true },
  labels: { ordered: false, wildcards: true },
  attributes: { ordered: false, wildcards: false },
  text: { ordered: false, wildcards: false },
  ip: { ordered: true, wildcards: false },
  date: { ordered: true, wildcards: false },
  number: { ordered: true, wildcards: false },
  boolean: { ordered: false, wildcards: false },
};

/** Fields of ours in every record, whatever its type. */
const OURS = {
  '@timestamp': { type: 'date' },
  cluster: { type: 'keyword' },
  host: { type: 'keyword' },
  ingested: { type: 'date' },
};

const KINDS: Readonly<Record<string, FieldKind>> = {
  keyword: 'keyword',
  text: 'text',
  ip: 'ip',
  date: 'date',
  long: 'number',
  boolean: 'boolean',
  flattened: 'attributes',
};

/** Calico's documentation asks `dest_labels = "app=redis"` of what its records hold as `dest_labels.labels`. */
const LABELS = '.labels';

/** The fields of a type that can be searched, by their names: those that its mapping indexes. */
export class Fields {
  /** By the names of their types, of which there are few. */
  static readonly #known = new Map<string, Fields>();
  readonly #fields: ReadonlyMap<string, Field>;
  /** What is stored as it comes, and not indexed. */
  readonly #unsearchable: ReadonlySet<string>;

  /** Of types together; the same each time, since every question begins with them. */
  static of(types: readonly LogType[]): Fields {
    const names = types.map(({ name }) => name).join();
    const fields = Fields.#known.get(names) ?? new Fields(types);
    Fields.#known.set(names, fields);
    return fields;
  }

  private constructor(types: readonly LogType[]) {
    const all = types.map((type) => readMappings({ ...type.mappings.properties, ...OURS }));
    const [first = [], ...others] = all;
    // What is asked of several types is asked of what they have in common.
    const shared = first.filter((field) => others.every((list) => list.some((other) => isSame(field, other))));
    this.#fields = new Map(shared.flatMap((field) => (field.kind === undefined ? [] : [[field.name, field as Field]])));
    this.#unsearchable = new Set(all.flat().flatMap(({ name, kind }) => (kind === undefined ? [name] : [])));
  }

  get names(): readonly string[] {
    return [...this.#fields.keys()];
  }

  /** The field of that name, or of that key where the name goes on behind one of attributes. */
  find(name: string): Field | undefined {
    const field = this.#fields.get(name);
    if (field !== undefined) return field.kind === 'attributes' ? undefined : field;
    for (const attributes of this.#fields.values()) {
      if (attributes.kind !== 'attributes' || !name.startsWith(`${attributes.name}.`)) continue;
      const key = name.slice(attributes.name.length + 1);
      if (key !== '' && !key.includes('\0')) return { name, kind: 'attributes', path: name };
    }
    return undefined;
  }

  /** Whether records may have it, but nobody can search it. */
  isUnsearchable(name: string): boolean {
    return this.#unsearchable.has(name) || [...this.#unsearchable].some((outer) => name.startsWith(`${outer}.`));
  }
}

type ReadField = Omit<Field, 'kind'> & { readonly kind: FieldKind | undefined };

interface Mapping {
  readonly type?: string;
  readonly index?: false;
  readonly properties?: Readonly<Record<string, unknown>>;
}

function readMappings(properties: Readonly<Record<string, unknown>>, within = '', nested?: string): ReadField[] {
  return Object.entries(properties).flatMap(([key, value]): ReadField[] => {
    const mapping = value as Mapping;
    const path = `${within}${key}`;
    if (value === storedLabels) return [{ name: path, kind: 'labels', path, stored: true }];
    if (mapping.properties !== undefined) {
      return readMappings(mapping.properties, `${path}.`, mapping.type === 'nested' ? path : nested);
    }
    const inside = nested === undefined ? {} : { nested };
    const kind = mapping.index === false ? undefined : KINDS[mapping.type ?? ''];
    if (value === fewKeywords) return [{ name: path, kind: 'keyword', path, few: true, ...inside }];
    if (!path.endsWith(LABELS) || kind !== 'keyword') return [{ name: path, kind, path, ...inside }];
    return [{ name: path.slice(0, -LABELS.length), kind: 'labels', path, ...inside }];
  });
}

function isSame(one: ReadField, other: ReadField): boolean {
  return one.name === other.name && one.kind === other.kind && one.path === other.path && one.nested === other.nested;
}
