import { JsonCursor } from '../../json-cursor.ts';

/** A hit of a search, whose document nobody has parsed: `_source` and `sort` are JSON. */
export interface TextHit {
  readonly _index: string;
  readonly _id: string;
  readonly _source: string;
  readonly sort: string;
}

/** What Elasticsearch answers to a search, or to several at once in `responses`. */
export interface SearchAnswer {
  readonly hits?: { readonly hits?: readonly TextHit[]; readonly total?: { readonly value: number } };
  readonly aggregations?: Readonly<Record<string, unknown>>;
  /** Of one of several that failed by itself. */
  readonly error?: unknown;
  readonly status?: number;
  readonly responses?: readonly SearchAnswer[];
}

/** How such an answer begins. */
const BEGINNING = '{"took":';

/** Reads an answer to searches; undefined for every other one, and for what is no JSON. */
export function readSearchAnswer(json: string): SearchAnswer | undefined {
  if (!json.startsWith(BEGINNING)) return undefined;
  try {
    const cursor = new JsonCursor(json);
    const answer = readAnswer(cursor);
    cursor.end();
    return answer;
  } catch {
    // Whoever parses it says what is wrong with it.
    return undefined;
  }
}

function readAnswer(cursor: JsonCursor): SearchAnswer {
  return readObject(cursor, {
    hits: () => readObject(cursor, { hits: () => readArray(cursor, readHit) }),
    responses: () => readArray(cursor, readAnswer),
  });
}

/** An object whose members are parsed but for those that are read otherwise. */
function readObject(cursor: JsonCursor, otherwise: Readonly<Record<string, () => unknown>>): object {
  const members = new Map<string, unknown>();
  cursor.object((key) => {
    const read = Object.hasOwn(otherwise, key) ? otherwise[key] : undefined;
    members.set(key, read === undefined ? JSON.parse(cursor.value()) : read());
  });
  return Object.fromEntries(members);
}

function readArray<T>(cursor: JsonCursor, read: (cursor: JsonCursor) => T): T[] {
  const elements: T[] = [];
  cursor.array(() => elements.push(read(cursor)));
  return elements;
}

function readHit(cursor: JsonCursor): TextHit {
  const hit = { _index: '', _id: '', _source: '{}', sort: '[]' };
  cursor.object((key) => {
    if (key === '_index' || key === '_id') hit[key] = cursor.string();
    else if (key === '_source' || key === 'sort') hit[key] = cursor.value();
    else cursor.value();
  });
  return hit;
}
