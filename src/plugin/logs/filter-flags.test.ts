import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { UserError } from '../../errors.ts';
import { printFilter } from '../../logs/query/print-filter.ts';
import { command } from '../commands/logs.ts';
import { parseLine, UsageError } from '../parse.ts';
import { filterFor, typesOf } from './asked-logs.ts';
import { FILTER_FLAGS } from './filter-flags.ts';

const DOCS = readFileSync(join(import.meta.dirname, '..', '..', '..', 'docs', 'logs.md'), 'utf8');

/** Of flags that do not take every word. */
const VALUES: Readonly<Record<string, string>> = { '--port': '443', '--action': 'deny', '--reporter': 'src' };

/** What a command line asks of the first type that it names. */
function asked(...tokens: readonly string[]): string | undefined {
  const { flags } = parseLine('logs', command, tokens);
  const [type] = typesOf(String(flags.type));
  assert.ok(type !== undefined);
  const filter = filterFor(type, flags.query as string | undefined, flags);
  return filter === undefined ? undefined : printFilter(filter);
}

describe('the flags of logs that filter', () => {
  const policies = (patterns: string) =>
    ['enforced', 'pending', 'all'].map((list) => `"policies.${list}_policies" IN {${patterns}}`).join(' OR ');

  const CASES = [
    ['', undefined],
    ['--action deny', 'action = "deny"'],
    ['--verdict Deny', 'action = "deny"'],
    ['--action deny --action pass', 'action IN {"deny", "pass"}'],
    ['--action deny --reporter dst', 'reporter = "dst" AND action = "deny"'],
    ['--action d*', 'action IN {"d*"}'],
    ['--not --action allow', 'action != "allow"'],
    ['--not --action allow --not --action pass', 'action NOTIN {"allow", "pass"}'],
    ['--protocol tcp --not --protocol udp', 'proto = "tcp" AND proto != "udp"'],
    ['-n store', 'source_namespace = "store" OR dest_namespace = "store"'],
    ['--not -nstore', 'NOT (source_namespace = "store" OR dest_namespace = "store")'],
    ['--from-namespace store --to-namespace kube-*', 'source_namespace = "store" AND dest_namespace IN {"kube-*"}'],
    ['--from-pod web', 'source_name IN {"web*"} OR source_name_aggr IN {"web*"}'],
    ['--to-pod store/web-?', 'dest_namespace = "store" AND (dest_name IN {"web-?*"} OR dest_name_aggr IN {"web-?*"})'],
    [
      '--pod web',
      'source_name IN {"web*"} OR source_name_aggr IN {"web*"} OR dest_name IN {"web*"} OR dest_name_aggr IN {"web*"}',
    ],
    ['--from-label app=web', 'source_labels = "app=web"'],
    ['--to-label app', 'dest_labels IN {"app=*"}'],
    ['--label app=web', 'source_labels = "app=web" OR dest_labels = "app=web"'],
    ['--from-ip 10.0.0.0/8 --from-ip 192.168.0.1', 'source_ip IN {"10.0.0.0/8", "192.168.0.1"}'],
    ['--to-ip 2001:DB8::1', 'dest_ip = "2001:db8::1"'],
    ['--ip 10.0.0.1', 'source_ip = "10.0.0.1" OR dest_ip = "10.0.0.1"'],
    ['--port 443 --port 80', 'dest_port IN {443, 80}'],
    ['--protocol TCP', 'proto = "tcp"'],
    ['--service redis', 'dest_service_name = "redis"'],
    ['--service store/redis', 'dest_service_namespace = "store" AND dest_service_name = "redis"'],
    ['--staged', policies('"*|*|*staged:*|*|*"')],
    ['--policy store/redis', policies('"*|*|store/redis|*|*", "*|*|store/*.redis|*|*", "*|*|store/*:redis|*|*"')],
    [
      '--policy security.egress',
      policies(
        '"*|*|security.egress|*|*", "*|*|*.security.egress|*|*", "*|*|*:security.egress|*|*", "*|*|*/security.egress|*|*"',
      ),
    ],
    ['--action deny -q dest_port=53', 'action = "deny" AND dest_port = 53'],
    ['-q dest_port=53,OR,proto=udp --action deny', 'action = "deny" AND (dest_port = 53 OR proto = "udp")'],
    ['--type dns --qname *.example.com', 'qname IN {"*.example.com"}'],
    ['--type dns --qtype aaaa --rcode NXDOMAIN', 'qtype = "AAAA" AND rcode = "NXDomain"'],
    ['--type dns -n shop', 'client_namespace = "shop" OR "servers.namespace" = "shop"'],
    [
      '--type dns --from-pod shop/web',
      'client_namespace = "shop" AND (client_name IN {"web*"} OR client_name_aggr IN {"web*"})',
    ],
    ['--type dns --from-label app --from-label tier=web', 'client_labels IN {"app=*", "tier=web"}'],
    ['--type dns --label app=web', 'client_labels = "app=web" OR "servers.labels" = "app=web"'],
    ['--type dns --to-ip 10.96.0.10', '"servers.ip" = "10.96.0.10"'],
    [
      '--type audit --user jane --verb Delete --resource pods --name web-*',
      '"user.username" = "jane" AND verb = "delete" AND "objectRef.resource" = "pods" AND "objectRef.name" IN {"web-*"}',
    ],
    ['--type audit -n store', '"objectRef.namespace" = "store"'],
    ['--type l7 --from-namespace store --port 80', 'src_namespace = "store" AND dest_service_port = 80'],
    ['--type waf --from-ip 203.0.113.0/24', '"source.ip" = "203.0.113.0/24"'],
    [
      '--type events --to-pod shop/db',
      'dest_namespace = "shop" AND (dest_name IN {"db*"} OR dest_name_aggr IN {"db*"})',
    ],
  ] as const;

  for (const [line, query] of CASES) {
    // Commas stand for spaces inside of an argument.
    const tokens = line
      .split(' ')
      .filter((token) => token !== '')
      .map((token) => token.replaceAll(',', ' '));
    it(line, () => assert.equal(asked(...tokens), query));
  }

  it('are all tried here', () => {
    const lines = CASES.map(([line]) => ` ${line} `.replace(/ -n/, ' --namespace').replace('--verdict', '--action'));
    for (const name of Object.keys(FILTER_FLAGS))
      assert.ok(
        lines.some((line) => line.includes(` --${name} `)),
        name,
      );
  });

  for (const [line, message] of [
    ['--qname x', 'error: --qname asks for nothing that flow logs have'],
    ['--type dns --policy x', 'error: --policy asks for nothing that dns logs have'],
    ['--type l7 --label app=x', 'error: --label asks for nothing that l7 logs have'],
    [
      '--type dns --from-label *=x',
      'error: invalid argument "*=x" for "--from-label" flag: client_labels is searched by the whole key of a label, app=web or app=*: "*=x" has none',
    ],
    ['--type dns --action nothing', 'error: --action asks for nothing that dns logs have'],
    ['--action dny', 'error: invalid argument "dny" for "--action" flag: must be one of allow, deny, pass'],
    ['--not --reporter source', 'error: invalid argument "source" for "--reporter" flag: must be one of src, dst, fwd'],
    ['--port http', 'error: invalid argument "http" for "--port" flag: "http" is not a number'],
    [
      '--ip 10.0.0.0/33',
      'error: invalid argument "10.0.0.0/33" for "--ip" flag: "10.0.0.0/33" is not a network: 10.0.0.0/8 and 2001:db8::/32 are',
    ],
    ['--ip 10.*', 'error: invalid argument "10.*" for "--ip" flag: "10.*" is not an IP address'],
  ] as const) {
    it(`refuse ${line}`, () => {
      assert.throws(
        () => asked(...line.split(' ')),
        (error) => error instanceof UserError && error.message === message,
      );
    });
  }

  it('are for the types that the documentation has them for', () => {
    const rows = DOCS.split('\n').flatMap((line) =>
      /^\| `-/.test(line) ? [line.split('|').map((cell) => cell.trim())] : [],
    );
    const header = /^\| Flag \|(.*)\|$/m.exec(DOCS)?.[1] ?? '';
    const types = header.split('|').map((word) => word.trim());
    assert.deepEqual([types.length, rows.length], [6, 12]);
    const tried = rows.flatMap(([, flags = '', ...cells]) => {
      const names = [...flags.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name);
      for (const name of names) {
        for (const [at, type] of types.entries()) {
          const [, only = name] = /^`(-\w)`:/.exec(cells[at] ?? '') ?? [];
          const isFor = cells[at] !== '' && only === name;
          const ask = () => asked('--type', type, name, ...(name === '--staged' ? [] : [VALUES[name] ?? '1.2.3.4']));
          if (isFor) assert.notEqual(ask(), undefined, `${name} of ${type}`);
          else assert.throws(ask, /asks for nothing that/, `${name} of ${type}`);
        }
      }
      return names;
    });
    const all = Object.keys(FILTER_FLAGS).map((name) => (name === 'namespace' ? '-n' : `--${name}`));
    assert.deepEqual(tried.toSorted(), all.toSorted());
  });

  it('say of which logs a flag is', () => {
    assert.throws(() => asked('--type', 'dns', '--action', 'x'), {
      hint: 'It does of these: kubectl mcm logs --type flow',
    });
    assert.throws(() => asked('--qname', 'x'), { hint: 'It does of these: kubectl mcm logs --type dns' });
  });

  for (const [line, message] of [
    ['--not', '--not needs a filter behind it, got ""'],
    ['--not --since 5m', '--not needs a filter behind it, got "--since"'],
    ['--not deny', '--not needs a filter behind it, got "deny"'],
    ['--not -- x', '--not needs a filter behind it, got "--"'],
    ['--not-action deny', 'unknown flag: --not-action'],
  ] as const) {
    it(`refuse ${line}`, () => {
      assert.throws(
        () => parseLine('logs', command, line.split(' ')),
        (error) => error instanceof UsageError && error.message.startsWith(`error: ${message}\n`),
      );
    });
  }
});
