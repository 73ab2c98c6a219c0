import { JsonCursor } from '../../json-cursor.ts';

/** A hit of a search, whose document nobody has parsed: `_source` and `sort` are JSON. */
export interface TextHit {
  readonly _index: string;
  readonly _id: string;
  readonly _source: string;
  readonly sort: string;
}

export interface TextHits {
  readonly hits: { readonly hits: readonly TextHit[] };
}

/** Every answer with hits has it. */
const HITS = '"hits":[{';

/** What a search has found; undefined for an answer without hits, and every other one. */
export function readTextHits(json: string): TextHits | undefined {
  if (!json.includes(HITS)) return undefined;
  const found: TextHit[] = [];
  const cursor = new JsonCursor(json);
  const only = (name: string, inner: () => void) => (key: string) => {
    if (key === name) inner();
    else cursor.value();
  };
  try {
    cursor.object(
      only('hits', () => cursor.object(only('hits', () => cursor.array(() => found.push(readHit(cursor)))))),
    );
    cursor.end();
  } catch {
    // Whoever parses it says what is wrong with it.
    return undefined;
  }
  return found.length === 0 ? undefined : { hits: { hits: found } };
}

function readHit(cursor: JsonCursor): TextHit {
  const hit = { _index: '""', _id: '""', _source: '{}', sort: '[]' };
  cursor.object((key) => {
    const value = cursor.value();
    if (key in hit) hit[key as keyof TextHit] = value;
  });
  return { ...hit, _index: JSON.parse(hit._index) as string, _id: JSON.parse(hit._id) as string };
}
