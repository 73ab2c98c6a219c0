import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { LOG_TYPES, RESOURCE_NAMES, SELECTOR_WORDS, selectLogTypes } from './index.ts';
import type { LogType, StoredRecord } from './log-type.ts';

const ROOT = join(import.meta.dirname, '..', '..', '..');

/** The row of a type in docs/ingest.md. */
function row({ label, ingestPaths, name, grants, retentionDays, timeFields }: LogType): string {
  const code = (words: readonly string[]) => words.map((word) => `\`${word}\``).join(', ');
  const cells = [label, code(ingestPaths), `\`tigera_secure_ee_${name}\``, code(grants.slice(0, -1)), retentionDays];
  return `| ${[...cells, code(timeFields)].join(' | ')} |`;
}

describe('log types', () => {
  it('stand in the documentation as they are', () => {
    const ingest = readFileSync(join(ROOT, 'docs', 'ingest.md'), 'utf8');
    for (const type of LOG_TYPES) assert.ok(ingest.includes(row(type)), `docs/ingest.md should have\n${row(type)}`);
    const readme = readFileSync(join(ROOT, 'README.md'), 'utf8').replaceAll('\n', ' ');
    const names = RESOURCE_NAMES.map((name) => `\`${name}\``).join(', ');
    assert.ok(readme.includes(names), `README.md should have ${names}`);
  });

  it('are told apart by their names, labels, paths and files', () => {
    for (const of of [
      (type: LogType) => [type.name],
      (type: LogType) => [type.label],
      (type: LogType) => type.ingestPaths,
      (type: LogType) => type.files,
    ]) {
      const all = LOG_TYPES.flatMap(of);
      assert.deepEqual(all, [...new Set(all)]);
    }
  });

  it('are chosen by any of their words', () => {
    assert.deepEqual(SELECTOR_WORDS, [
      ...['flow', 'dns', 'audit', 'audit-ee', 'audit-kube'],
      ...['l7', 'bgp', 'events', 'waf'],
    ]);
    const chosen = (word: string) => selectLogTypes(word)?.map(({ name }) => name);
    assert.deepEqual(chosen('audit'), ['audit_ee', 'audit_kube']);
    assert.deepEqual(chosen('flows'), ['flows']);
    assert.deepEqual(chosen('flow'), ['flows']);
    assert.deepEqual(chosen('bgp'), ['bgp']);
    assert.equal(chosen('nothing'), undefined);
    assert.equal(chosen(''), undefined);
  });
});

describe('a record for people', () => {
  const compact = (name: string, record: StoredRecord) => LOG_TYPES.find((type) => type.name === name)?.compact(record);

  for (const [name, record, cells] of [
    [
      'l7',
      {
        ...{ response_code: '503', type: 'html/1.1', method: 'GET', url: 'http://cart/items?id=7', count: 12 },
        ...{ duration_mean: 1_250_000, src_namespace: 'store', src_name_aggr: 'frontend-*', src_type: 'wep' },
        ...{ dest_namespace: 'store', dest_name_aggr: 'cart-*', dest_service_name: 'cart' },
        ...{ dest_service_namespace: 'store', dest_service_port: 80 },
      },
      ['503', 'store/frontend-* -> store/cart-*', 'x12', '1.3ms', 'GET http://cart/items?id=7  by store/cart:80'],
    ],
    [
      'l7',
      {
        ...{ protocol: 'tls', type: 'tls', response_code: '-', tls_version: 'TLS 1.3', tls_sni: 'api.example.com' },
        ...{ src_namespace: 'store', src_name_aggr: 'cart-*', dest_namespace: '-', dest_name_aggr: 'pub' },
      },
      ['tls', 'store/cart-* -> (public)', 'x1', '', 'TLS 1.3 api.example.com'],
    ],
    [
      'bgp',
      { logtime: '2026-11-22T18:31:04', host: 'node-1', ip_version: 'IPv4', message: 'Mesh_10_0_0_2: Connected' },
      ['node-1', 'IPv4', 'Mesh_10_0_0_2: Connected'],
    ],
    [
      'events',
      {
        ...{ time: 1795372264, severity: 100, type: 'suspicious_flow', description: 'a feed knows 203.0.113.9' },
        ...{ source_namespace: 'store', source_name: '-', source_name_aggr: 'cart-*', dest_ip: '203.0.113.9' },
      },
      ['100', 'suspicious_flow', 'store/cart-* -> 203.0.113.9', 'a feed knows 203.0.113.9'],
    ],
    [
      'waf',
      {
        ...{ method: 'POST', path: '/login', msg: 'detected SQLi', rules: [{ id: '942100' }, { id: '949110' }] },
        ...{
          source: { ip: '203.0.113.9', name: '-' },
          destination: { namespace: 'store', name: 'shop', ip: '10.0.0.7' },
        },
      },
      ['POST', '203.0.113.9 -> store/shop', '/login', 'detected SQLi 942100 949110'],
    ],
    // Senders are not trusted: any field may be missing or odd.
    ['l7', {}, ['-', '(unknown) -> (unknown)', 'x1', '', '']],
    ['bgp', { message: { a: 1 } }, ['', '', '{"a":1}']],
    ['events', { record: 7 }, ['-', '(unknown)', '(unknown) -> (unknown)', '']],
    ['waf', { source: 'x', rules: 'y' }, ['-', '(unknown) -> (unknown)', '', '']],
  ] as const) {
    it(`of ${name}: ${cells.join(' ')}`, () => assert.deepEqual(compact(name, record), cells));
  }
});
