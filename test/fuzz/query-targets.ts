import assert from 'node:assert/strict';
import { parse } from 'yaml';
import type { Random } from '../../fixtures/random.ts';
import { UserError } from '../../src/errors.ts';
import { readPlainYaml } from '../../src/kube/plain-yaml.ts';
import { LONGEST_QUERY, parseFilter } from '../../src/logs/query/parse-filter.ts';
import { printFilter } from '../../src/logs/query/print-filter.ts';
import { QueryError } from '../../src/logs/query/query-error.ts';
import { Fields } from '../../src/logs/types/field.ts';
import { LOG_TYPES } from '../../src/logs/types/index.ts';
import { parseTemplate } from '../../src/plugin/logs/json-path.ts';
import { RandomFilters } from '../conformance/random-filter.ts';
import { mutatedText, mutatedValue } from './mutation.ts';
import type { FuzzTarget } from './target.ts';

const FIELDS = LOG_TYPES.map((type) => Fields.of([type]));

/** A filter is the same after it was written and read again. */
function printed(random: Random): void {
  const fields = random.pick(FIELDS);
  const filter = new RandomFilters(random, fields).filter();
  const text = printFilter(filter);
  if (Buffer.byteLength(text) > LONGEST_QUERY) return;
  assert.deepEqual(parseFilter(text, fields, 'some logs'), filter, text);
}

/** Whatever is written is either refused with its place, or means the same when it is written anew. */
function read(random: Random): void {
  const fields = random.pick(FIELDS);
  const text = mutatedText(printFilter(new RandomFilters(random, fields).filter(2)), random);
  try {
    const filter = parseFilter(text, fields, 'some logs');
    if (filter === undefined) assert.match(text, /^\s*$/u);
    else assert.deepEqual(parseFilter(printFilter(filter), fields, 'some logs'), filter, text);
  } catch (error) {
    assert.ok(error instanceof QueryError, `${text}: ${error}`);
    const [, shown = '', carets = ''] = error.message.slice(error.reason.length).split('\n');
    assert.match(carets, /^ +\^+$/);
    assert.ok(carets.length <= shown.length + 1, error.message);
    assert.doesNotMatch(error.message.replaceAll('\n', ''), /\p{Cc}/u);
  }
}

const TEMPLATES = [
  '{.source_ip}{"\\t"}{.dest_port}',
  "{.a['@timestamp'].b[0]}:{.servers[*].ip}",
  'text {.*} {$.x[-1]}',
  '{"\\u0041"}',
];

/** A template is refused, or fits any record. */
function templates(random: Random): void {
  const record = mutatedValue({ a: { '@timestamp': { b: [1] } }, servers: [{ ip: 'x' }, null], x: ['y'] }, random);
  try {
    for (const piece of parseTemplate(mutatedText(random.pick(TEMPLATES), random))) {
      if (typeof piece !== 'string') piece.valuesOf(record);
    }
  } catch (error) {
    assert.ok(error instanceof UserError, `${error}`);
  }
}

const KUBECONFIG = `apiVersion: v1
kind: Config
# by hand
preferences: {}
current-context: "prod"
clusters:
- name: prod
  cluster:
    insecure-skip-tls-verify: true
    server: https://prod.example:6443
users:
  - name: jane
    user:
      client-key-data: LS0tLS1CRUdJTi/+=
      exec:
        args: []
        env: null
        command: 'gke gcloud'
contexts:
`;

/** The same as the whole parser says, whichever of the two has read it. */
function kubeconfigs(random: Random): void {
  const text = mutatedText(KUBECONFIG, random);
  const plain = readPlainYaml(text);
  if (plain !== undefined) assert.deepEqual(plain, parse(text), text);
  else assert.notEqual(text, KUBECONFIG);
}

export const QUERY_TARGETS: readonly FuzzTarget[] = [
  { name: 'filters, written and read', rounds: 3_000, round: printed },
  { name: 'queries', rounds: 5_000, round: read },
  { name: 'templates of jsonpath', rounds: 5_000, round: templates },
  { name: 'plain kubeconfigs', rounds: 5_000, round: kubeconfigs },
];
