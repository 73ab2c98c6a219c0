/** What is answered to everybody who does not ask for something else. */
export const JSON_TYPE = 'application/json';

/** Kubernetes' table, which `kubectl get` asks for. */
export const TABLE_TYPE = 'application/json;as=Table;v=v1;g=meta.k8s.io';

/** Which of a media type's parameters say what is meant; others (charset, pretty) change no answer. */
const MEANT = ['as', 'g', 'v'] as const;

interface MediaRange {
  readonly range: string;
  /** The parameters that say what is meant, in one order. */
  readonly meant: string;
  readonly quality: number;
}

/**
 * The media type to answer in: of those that are offered the one that an Accept header likes best, and of equals the one
 * that it names first. undefined where it takes none of them.
 */
export function negotiate(accept: string | undefined, offered: readonly string[]): string | undefined {
  if (accept === undefined || accept.trim() === '') return offered.find((type) => type === JSON_TYPE);
  const ranges = accept.split(',').map(readRange);
  ranges.sort((a, b) => b.quality - a.quality);
  for (const { range, meant, quality } of ranges) {
    if (quality === 0) break;
    const found = offered.map(readRange).findIndex((offer) => offer.meant === meant && covers(range, offer.range));
    if (found !== -1) return offered[found];
  }
  return undefined;
}

function covers(range: string, type: string): boolean {
  return range === type || range === '*/*' || (range.endsWith('/*') && type.startsWith(range.slice(0, -1)));
}

function readRange(text: string): MediaRange {
  const [range = '', ...parameters] = text.split(';').map((part) => part.trim());
  const values = new Map(
    parameters.map((parameter) => {
      const [name = '', value = ''] = parameter.split('=');
      return [name.trim().toLowerCase(), value.trim().replace(/^"(.*)"$/, '$1')];
    }),
  );
  const quality = Number(values.get('q') ?? 1);
  return {
    range: range.toLowerCase(),
    meant: MEANT.map((name) => values.get(name) ?? '').join(';'),
    quality: Number.isNaN(quality) ? 1 : quality,
  };
}
