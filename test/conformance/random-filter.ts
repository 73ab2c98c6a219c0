import type { Random } from '../../fixtures/random.ts';
import { equalValue, rangeValue, setValue } from '../../src/logs/query/field-value.ts';
import { allOf, anyOf, type Filter, match, not, RANGE_OPERATORS } from '../../src/logs/query/filter.ts';
import { escapePattern } from '../../src/logs/query/pattern.ts';
import { ABILITIES, type Field, type FieldKind, type Fields } from '../../src/logs/types/field.ts';

/** Values of each kind, odd ones among them. */
const VALUES: Readonly<Record<FieldKind, readonly string[]>> = {
  keyword: [
    'store',
    'Store',
    'web-7d9-*',
    'a?b',
    'back\\slash',
    'say "so"',
    'né',
    '漢字',
    '🦈',
    ' ',
    '',
    '-',
    'a\nb',
    'a\u0000',
  ],
  labels: ['app=web', 'app=', 'app', 'tier=front-*', 'k8s-app=kube-dns'],
  attributes: ['allow', 'forbid', '*', ''],
  text: ['Mesh Connected', 'down', 'peer'],
  ip: ['10.0.0.1', '10.0.0.0/8', '10.1.2.3/32', '2001:DB8::1', '::ffff:10.0.0.1', '2001:db8::/32', '::/0', '0.0.0.0/0'],
  date: ['2026-11-22', '2026-11-22T18:00:00.5Z', '1795372264', '2026-11-22T18:00:00+02:00'],
  number: ['0', '-1', '443', '1.5', '1e3', '9007199254740991', '-0'],
  boolean: ['true', 'false'],
};

/** Filters over the fields of a type, all of them that the query language can say. */
export class RandomFilters {
  readonly #random: Random;
  readonly #fields: readonly Field[];
  readonly #values: (field: Field) => readonly string[];

  /** `values` may know better ones than any of the kind. */
  constructor(random: Random, fields: Fields, values: (field: Field) => readonly string[] = () => []) {
    this.#random = random;
    this.#fields = fields.names.flatMap((name) => fields.find(name) ?? fields.find(`${name}.key`) ?? []);
    this.#values = values;
  }

  filter(depth = 3): Filter {
    const random = this.#random;
    if (depth === 0 || random.chance(0.4)) return this.leaf(random.pick(this.#fields));
    if (random.chance(0.25)) return not(this.filter(depth - 1));
    const filters = Array.from({ length: random.between(2, 4) }, () => this.filter(depth - 1));
    return random.chance(0.5) ? (allOf(filters) as Filter) : anyOf(filters);
  }

  leaf(field: Field): Filter {
    const random = this.#random;
    if (!field.stored && random.chance(0.1)) return { kind: 'exists', field };
    if (ABILITIES[field.kind].ordered && random.chance(0.4)) {
      const value = rangeValue(field, this.#value(field).replace(/\/.*/, ''));
      return { kind: 'range', field, operator: random.pick(RANGE_OPERATORS), value };
    }
    if (random.chance(0.4)) return match(field, [equalValue(field, this.#value(field))]);
    const items = Array.from({ length: random.between(1, 3) }, () => setValue(field, this.#item(field)));
    return match(field, items);
  }

  #value(field: Field): string {
    const known = this.#values(field);
    const values = known.length > 0 && this.#random.chance(0.8) ? known : VALUES[field.kind];
    return this.#random.pick(field.stored ? values.filter((value) => value.includes('=')) : values);
  }

  /** A value as it stands in a set: some of it may be left to wildcards. */
  #item(field: Field): string {
    const random = this.#random;
    const characters = [...this.#value(field)];
    // What is read from the records has no wildcards in the keys of its labels.
    const start = field.stored ? characters.indexOf('=') + 1 : 0;
    if (!ABILITIES[field.kind].wildcards || random.chance(0.4)) return escapePattern(characters.join(''));
    // Ten wildcards are the most there may be in one.
    let left = 5;
    const pattern = characters.slice(0, 40).map((character, at) => {
      const isHidden = left > 0 && at >= start && random.chance(0.1);
      if (isHidden) left--;
      return isHidden ? '?' : escapePattern(character);
    });
    const from = random.between(start, pattern.length);
    return pattern.toSpliced(from, random.between(0, pattern.length - from), '*').join('');
  }
}
