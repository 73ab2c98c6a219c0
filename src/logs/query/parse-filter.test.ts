import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { auditEe, auditKube } from '../types/audit.ts';
import { bgp } from '../types/bgp.ts';
import { dns } from '../types/dns.ts';
import { Fields } from '../types/field.ts';
import { flows } from '../types/flows.ts';
import { l7 } from '../types/l7.ts';
import type { LogType } from '../types/log-type.ts';
import { LONGEST_QUERY, parseFilter } from './parse-filter.ts';
import { printFilter } from './print-filter.ts';

/** The query in its one form. */
function normal(text: string, ...types: readonly LogType[]): string | undefined {
  const filter = parseFilter(text, Fields.of(types), `${types[0]?.label} logs`);
  return filter === undefined ? undefined : printFilter(filter);
}

describe('the query language', () => {
  for (const [type, text, printed] of [
    // What Calico's documentation has as examples, in its own forms.
    [dns, 'count > 0', 'count > 0'],
    [dns, '"servers.ip" = "127.0.0.1"', '"servers.ip" = "127.0.0.1"'],
    [dns, 'count > 100 AND client_name=mypod', 'count > 100 AND client_name = "mypod"'],
    [
      dns,
      'count > 100 AND NOT (client_namespace = ns1 OR client_namespace = ns2)',
      'count > 100 AND NOT (client_namespace = "ns1" OR client_namespace = "ns2")',
    ],
    [dns, '(qtype = A OR qtype = AAAA) AND rcode != NoError', '(qtype = "A" OR qtype = "AAAA") AND rcode != "NoError"'],
    [
      flows,
      'process_name IN {"proc1?", "*proc2"} AND source_namespace = ns1',
      'process_name IN {"proc1?", "*proc2"} AND source_namespace = "ns1"',
    ],
    [
      flows,
      'dest_labels="application=postgres" AND source_type=net AND action=allow AND proto=tcp AND dest_port=5432',
      'dest_labels = "application=postgres" AND source_type = "net" AND action = "allow" AND proto = "tcp" AND dest_port = 5432',
    ],
    [
      flows,
      'dest_namespace = "storefront" OR source_namespace = "storefront"',
      'dest_namespace = "storefront" OR source_namespace = "storefront"',
    ],
    // NOT binds closest, OR loosest; keywords in either case.
    [
      flows,
      'action = deny and not proto = tcp or dest_port = 53',
      '(action = "deny" AND proto != "tcp") OR dest_port = 53',
    ],
    [
      flows,
      '((action = deny)) AND (proto = tcp AND (dest_port = 1))',
      'action = "deny" AND proto = "tcp" AND dest_port = 1',
    ],
    [flows, 'NOT NOT action = deny', 'action = "deny"'],
    [flows, 'NOT action NOTIN {deny}', 'action = "deny"'],
    [flows, 'dest_port NOTIN {80, "443"}', 'dest_port NOTIN {80, 443}'],
    // In a comparison a star is a star, as in the names of aggregated pods; in sets it is a wildcard.
    [flows, 'source_name_aggr = "web-7d9-*"', 'source_name_aggr = "web-7d9-*"'],
    [flows, 'source_name_aggr IN {"web-7d9-\\*"}', 'source_name_aggr = "web-7d9-*"'],
    [flows, 'source_name_aggr IN {"web-7d9-\\\\*", "b**"}', 'source_name_aggr IN {"web-7d9-\\\\*", "b*"}'],
    [flows, 'source_ip IN {"*"}', 'source_ip IN {"*"}'],
    [flows, 'NOT source_ip IN {10.0.0.1, "*"}', 'source_ip NOTIN {"*"}'],
    [
      flows,
      'source_ip = 10.0.0.0/8 OR dest_ip >= 2001:DB8:0::1',
      'source_ip = "10.0.0.0/8" OR dest_ip >= "2001:db8::1"',
    ],
    [flows, 'start_time < 1597166083', 'start_time < "2020-08-11T17:14:43.000Z"'],
    [flows, '"@timestamp" >= 2026-11-22', '"@timestamp" >= "2026-11-22T00:00:00.000Z"'],
    [flows, 'policies.enforced_policies IN {"*|deny|*"}', '"policies.enforced_policies" IN {"*|deny|*"}'],
    [
      auditEe,
      'annotations.authorization.k8s.io/decision = forbid',
      '"annotations.authorization.k8s.io/decision" = "forbid"',
    ],
    [auditEe, 'responseStatus.code >= 400', '"responseStatus.code" >= 400'],
    [bgp, 'message = "Mesh down"', 'message = "Mesh down"'],
    [l7, 'url = "say \\"so\\" \\u00e9\\n"', 'url = "say \\"so\\" é\\n"'],
    [flows, '', undefined],
    [flows, ' \n', undefined],
  ] as const) {
    it(JSON.stringify(text), () => {
      assert.equal(normal(text, type), printed);
      if (printed !== undefined) assert.equal(normal(printed, type), printed);
    });
  }

  it('asks both audit logs the same', () => {
    assert.equal(normal('"user.username" = jane', auditEe, auditKube), '"user.username" = "jane"');
  });
});

describe('a query that is wrong', () => {
  for (const [type, text, message] of [
    [
      flows,
      'action = deny AND dest_namspace = "store"',
      [
        'unknown field "dest_namspace" of flow logs; did you mean "dest_namespace"?',
        '  action = deny AND dest_namspace = "store"',
        '                    ^^^^^^^^^^^^^',
      ],
    ],
    [flows, 'qname = x', ['unknown field "qname" of flow logs', '  qname = x', '  ^^^^^']],
    [
      auditEe,
      'requestObject = "x"',
      [
        'requestObject of audit-ee logs is stored as it came and cannot be searched',
        '  requestObject = "x"',
        '  ^^^^^^^^^^^^^',
      ],
    ],
    [
      dns,
      'client_labels IN {"*=web"}',
      [
        'client_labels is searched by the whole key of a label, app=web or app=*: "*=web" has none',
        '  client_labels IN {"*=web"}',
        '                    ^^^^^^^',
      ],
    ],
    [flows, 'dest_port = http', ['"http" is not a number', '  dest_port = http', '              ^^^^']],
    [flows, 'dest_ip = 10.0.0', ['"10.0.0" is not an IP address', '  dest_ip = 10.0.0', '            ^^^^^^']],
    [
      flows,
      'dest_ip IN {10.0.0.1, "10.*"}',
      [
        'wildcards do not work on dest_ip, which is an IP address: a network is written as 10.0.0.0/8',
        '  dest_ip IN {10.0.0.1, "10.*"}',
        '                        ^^^^^^',
      ],
    ],
    [
      flows,
      'dest_labels > "a"',
      [
        'dest_labels is a list of labels, of which none is smaller or greater: use = or !=',
        '  dest_labels > "a"',
        '                ^^^',
      ],
    ],
    [flows, 'action', ['the query ends where =, !=, <, <=, >, >=, IN or NOTIN is expected', '  action', '        ^']],
    [flows, 'action = ', ['the query ends where a value is expected', '  action = ', '           ^']],
    [flows, 'action == deny', ['unexpected = where a value is expected', '  action == deny', '          ^']],
    [
      flows,
      '(action = deny',
      ['the query ends where AND, OR or ) is expected', '  (action = deny', '                ^'],
    ],
    [
      flows,
      'action = deny)',
      ['unexpected ) where AND, OR or the end is expected', '  action = deny)', '               ^'],
    ],
    [
      flows,
      'action = deny proto = tcp',
      ['unexpected proto where AND, OR or the end is expected', '  action = deny proto = tcp', '                ^^^^^'],
    ],
    [flows, 'AND', ['unexpected AND where a field, NOT or ( is expected', '  AND', '  ^^^']],
    [
      flows,
      'action IN deny',
      ['unexpected deny where { and a list of values is expected', '  action IN deny', '            ^^^^'],
    ],
    [flows, 'action IN {}', ['unexpected } where a value is expected', '  action IN {}', '             ^']],
    [flows, 'action = "deny', ['this string has no end', '  action = "deny', '           ^']],
    [
      flows,
      'action = "\\d"',
      ['\\d is no escape: a backslash is written as \\\\', '  action = "\\d"', '            ^^'],
    ],
    [flows, 'action ! deny', ['unexpected !', '  action ! deny', '         ^']],
    [
      flows,
      'action = deny AND\nport = 1',
      [
        'unknown field "port" of flow logs; did you mean "source_port" or "dest_port" or "dest_service_port"?',
        '  port = 1',
        '  ^^^^',
      ],
    ],
  ] as const) {
    it(JSON.stringify(text), () => {
      assert.throws(() => normal(text, type), { name: 'QueryError', message: message.join('\n') });
    });
  }

  it('shows a part of a long one', () => {
    const text = `${'action = deny OR '.repeat(20)}x = 1${' OR action = deny'.repeat(20)}`;
    assert.throws(
      () => normal(text, flows),
      /^QueryError: unknown field "x" of flow logs\n {2}\.\.\..{72}\.\.\.\n {41}\^$/,
    );
  });

  it('is not nested without end, nor too long, nor full of patterns', () => {
    const nested = (levels: number) => `${'(NOT '.repeat(levels)}action = deny${')'.repeat(levels)}`;
    assert.equal(normal(nested(8), flows), 'action = "deny"');
    assert.throws(() => normal(nested(11), flows), /^QueryError: nested too deep: 20 levels are the most\n/);
    const long = `action = "${'é'.repeat(LONGEST_QUERY / 2)}"`;
    assert.throws(() => normal(long, flows), /^QueryError: 4107 bytes are too long for a query: 4096 are the most\n/);
    const patterns = `action IN {${Array.from({ length: 101 }, (_, n) => `"${n}*"`).join()}}`;
    assert.throws(() => normal(patterns, flows), /^QueryError: too many patterns with wildcards: 100 are the most\n/);
    assert.throws(() => normal('action IN {"*?*?*?*?*?*"}', flows), /11 wildcards in one pattern are too many: 10 are/);
  });
});
