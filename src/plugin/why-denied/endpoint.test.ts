import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { printFilter } from '../../logs/query/print-filter.ts';
import { Fields } from '../../logs/types/field.ts';
import { flows } from '../../logs/types/flows.ts';
import { endpointWords, flowsBetween, parseDestination, parseEndpoint } from './endpoint.ts';

const FIELDS = Fields.of([flows]);

describe('the ends of a connection', () => {
  for (const [text, endpoint, port] of [
    ['store/redis', { kind: 'named', namespace: 'store', name: 'redis' }, undefined],
    ['store/redis-*:6379', { kind: 'named', namespace: 'store', name: 'redis-*' }, 6379],
    ['public:443', { kind: 'named', namespace: '-', name: 'pub' }, 443],
    ['10.1.4.7', { kind: 'network', network: '10.1.4.7' }, undefined],
    ['10.1.4.7:80', { kind: 'network', network: '10.1.4.7' }, 80],
    ['10.0.0.0/8:80', { kind: 'network', network: '10.0.0.0/8' }, 80],
    ['2001:db8::1', { kind: 'network', network: '2001:db8::1' }, undefined],
    ['2001:db8::/32', { kind: 'network', network: '2001:db8::/32' }, undefined],
    ['[2001:db8::1]:443', { kind: 'network', network: '2001:db8::1' }, 443],
  ] as const) {
    it(`${text} is one`, () => {
      assert.deepEqual(parseDestination(text), { endpoint, port });
      const words = text.replace(/\[|\]?:\d+$/g, '');
      if (!text.startsWith('2001')) assert.equal(endpointWords(endpoint), words);
    });
  }

  for (const [text, message] of [
    ['redis', /^error: "redis" names no end of a connection$/],
    ['store/', /names no end/],
    ['/redis', /names no end/],
    ['a/b/c', /names no end/],
    ['', /names no end/],
    ['store/redis:http', /names no end/],
    ['store/redis:0', /^error: "store\/redis:0" has no port: one is a number from 1 to 65535$/],
    ['store/redis:65536', /has no port/],
  ] as const) {
    it(`"${text}" is none`, () => {
      assert.throws(
        () => parseDestination(text),
        (error: Error) => error.name === 'UserError' && message.test(error.message),
      );
    });
  }

  it('are refused where a network is none', () => {
    const source = parseEndpoint('10.0.0.0/99');
    assert.throws(() => flowsBetween(FIELDS, source, parseDestination('a/b')), { name: 'UserError' });
  });

  for (const [from, to, query] of [
    ['10.0.0.0/8', '203.0.113.9:443', 'source_ip = "10.0.0.0/8" AND dest_ip = "203.0.113.9" AND dest_port = 443'],
    [
      '10.1.4.7',
      'store/redis',
      'source_ip = "10.1.4.7" AND dest_namespace = "store" AND (dest_name IN {"redis*"} OR dest_name_aggr IN {"redis*"})',
    ],
    [
      '10.1.4.7',
      'store/redis-0',
      'source_ip = "10.1.4.7" AND dest_namespace = "store" AND (dest_name IN {"redis-0*"} OR dest_name_aggr IN {"redis-0*"} OR (dest_name = "-" AND dest_name_aggr = "redis-*"))',
    ],
    [
      'store/frontend-754cdbf884-x2v4q',
      '10.1.4.7',
      'source_namespace = "store" AND (source_name IN {"frontend-754cdbf884-x2v4q*"} OR source_name_aggr IN {"frontend-754cdbf884-x2v4q*"} OR (source_name = "-" AND source_name_aggr = "frontend-754cdbf884-*")) AND dest_ip = "10.1.4.7"',
    ],
    [
      'store/frontend-754cdbf884-*',
      '10.1.4.7',
      'source_namespace = "store" AND (source_name IN {"frontend-754cdbf884-*"} OR source_name_aggr IN {"frontend-754cdbf884-*"}) AND dest_ip = "10.1.4.7"',
    ],
  ] as const) {
    it(`${from} and ${to} are looked for`, () => {
      assert.equal(printFilter(flowsBetween(FIELDS, parseEndpoint(from), parseDestination(to))), query);
    });
  }
});
