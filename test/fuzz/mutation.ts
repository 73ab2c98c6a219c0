import type { Random } from '../../fixtures/random.ts';

/** What means something to one parser or the other. */
const TOKENS = [
  ...['{', '}', '[', ']', '"', ':', ',', '\\', '\\"', '\\u0022', '/*', '*/', '//', '\n', '\r\n', ' ', '\t', '\0'],
  ...['null', 'true', '-1', '0', '-0', '1e400', '1e-7', '0x10', '12345678901234567890', '9007199254740993', '[]', '{}'],
  ...[
    '"cluster":"victim",',
    '"host":"x",',
    '"end_time":1',
    '"@timestamp":1,',
    '"__proto__":{"a":1},',
    '"_doc_count":9,',
  ],
  ...['\u00ff', '\ud834\udd1e', '\ufeff', '*a', '&a', '- ', '? ', '| ', '%', 'T', 'Z', '+25:00', '.5', 'GMT'],
];

/** The text with some things in it changed: bytes, tokens, parts left out, doubled or moved. */
export function mutated(bytes: Buffer, random: Random, most = 4): Buffer {
  let result = bytes;
  for (let left = random.between(0, most); left > 0; left--) result = mutatedOnce(result, random);
  return result;
}

export function mutatedText(text: string, random: Random, most?: number): string {
  return mutated(Buffer.from(text), random, most).toString();
}

function mutatedOnce(bytes: Buffer, random: Random): Buffer {
  const at = random.between(0, bytes.length);
  const length = random.between(0, Math.min(bytes.length - at, random.pick([1, 8, 80])));
  const [before, part, after] = [bytes.subarray(0, at), bytes.subarray(at, at + length), bytes.subarray(at + length)];
  switch (random.between(0, 6)) {
    case 0:
      return Buffer.concat([before, after]);
    case 1:
      return Buffer.concat([before, part, part, after]);
    case 2:
      return Buffer.concat([before, Buffer.of(random.between(0, 255)), after]);
    case 3: {
      const to = random.between(0, before.length);
      return Buffer.concat([before.subarray(0, to), part, before.subarray(to), after]);
    }
    case 4:
      return before;
    default:
      return Buffer.concat([before, Buffer.from(random.pick(TOKENS)), random.chance(0.5) ? part : NOTHING, after]);
  }
}

const NOTHING = Buffer.alloc(0);

const VALUES = [null, true, '', 'text', '5', 0, -1, 0.5, 1e300, 200, 409, [], {}, [null], [[]], { a: null }];

/** The value with something in it, however deep, left out or replaced by something else. */
export function mutatedValue(value: unknown, random: Random): unknown {
  if (typeof value !== 'object' || value === null || random.chance(0.1)) return random.pick(VALUES);
  const names = Object.keys(value);
  const name = random.pick([...names, 'more']);
  const members = value as Readonly<Record<string, unknown>>;
  if (Array.isArray(value)) {
    const at = random.between(0, value.length);
    return random.chance(0.3) ? value.toSpliced(at, 1) : value.toSpliced(at, 1, mutatedValue(value[at], random));
  }
  const { [name]: member, ...rest } = members;
  return random.chance(0.2) ? rest : { ...members, [name]: mutatedValue(member, random) };
}
