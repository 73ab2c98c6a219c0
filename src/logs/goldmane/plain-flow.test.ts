import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { generateGoldmane } from '../../../fixtures/generate-goldmane.ts';
import { EMITTED_FLOWS } from '../../../fixtures/goldmane-samples.ts';
import { readGoldmaneFlow } from './goldmane-flow.ts';
import { readPlainFlow } from './plain-flow.ts';

const TIMES = { start_time: 1_760_000_000, end_time: 1_760_000_300 };

function isPlain(line: string): boolean {
  return readPlainFlow(Buffer.from(line)) !== undefined;
}

/** By either way, to the byte that is stored, if the short one takes it. */
function assertSame(line: string): void {
  const short = readPlainFlow(Buffer.from(line));
  if (short === undefined) return;
  const long = readGoldmaneFlow(line);
  if (long.kind === 'refused') assert.fail(`${long.reason}: ${line}`);
  const { identity, time, record } = short;
  assert.deepEqual([identity, time, `${record}}`], [long.identity, long.time, JSON.stringify(long.record)], line);
}

const POLICY = { kind: 2, name: 'a', tier: 't', action: 1 };

function withPolicy(policy: object): string {
  return JSON.stringify({ Key: { policies: { pending_policies: [policy] } }, ...TIMES });
}

describe('the short way of a flow', () => {
  it('takes what a real Goldmane sent, and says what the long way says', () => {
    for (const line of EMITTED_FLOWS) {
      assert.ok(isPlain(line), line);
      assertSame(line);
    }
  });

  it('takes thousands of flows, and says what the long way says', () => {
    const range = { from: Date.UTC(2026, 10, 22), to: Date.UTC(2026, 10, 22, 1) };
    for (const line of generateGoldmane({ seed: 3, count: 3_000, ...range })) {
      assert.ok(isPlain(line), line);
      assertSame(line);
    }
  });

  it('takes nothing that the long way does not, or says otherwise: each character left out or another', () => {
    const others = ['"', ',', ':', '{', '}', '[', ']', '\\', '|', '-', '.', '0', '7', ' ', 'e', 'é', '\t'];
    let taken = 0;
    for (const line of EMITTED_FLOWS) {
      for (let at = 0; at < line.length; at++) {
        for (const other of ['', ...others]) {
          const changed = line.slice(0, at) + other + line.slice(at + 1);
          if (!isPlain(changed)) continue;
          taken++;
          assertSame(changed);
        }
      }
    }
    assert.ok(taken > 10_000, `${taken}`);
  });

  for (const [what, line] of [
    ['a member that is new', JSON.stringify({ Key: { node: 'n' }, ...TIMES })],
    ['members in another order', JSON.stringify({ ...TIMES, Key: {} })],
    ['a member twice', '{"Key":{},"start_time":1760000000,"start_time":1760000000,"end_time":1760000300}'],
    ['a comma too many', '{"Key":{},"start_time":1760000000,"end_time":1760000300,}'],
    ['a comma before the first member', '{,"Key":{},"start_time":1760000000,"end_time":1760000300}'],
    ['something behind the end', `${JSON.stringify({ Key: {}, ...TIMES })}{}`],
    ['no times', JSON.stringify({ Key: {} })],
    ['an end before the start', JSON.stringify({ Key: {}, start_time: 1_760_000_000, end_time: 1_759_999_999 })],
    ['a member that is null', JSON.stringify({ Key: { proto: null }, ...TIMES })],
    ['a number of 16 digits', JSON.stringify({ Key: {}, ...TIMES, bytes_in: 1_234_567_890_123_456 })],
    ['a number with a zero before it', '{"Key":{"dest_port":0443},"start_time":1760000000,"end_time":1760000300}'],
    ['a minus and a zero', '{"Key":{},"start_time":1760000000,"end_time":1760000300,"bytes_in":-0}'],
    ['a text of 1025 characters', JSON.stringify({ Key: { proto: 'x'.repeat(1025) }, ...TIMES })],
    ['1001 labels', JSON.stringify({ Key: {}, ...TIMES, source_labels: Array(1001).fill('a=b') })],
    ['text beyond ASCII', JSON.stringify({ Key: { source_name: 'é' }, ...TIMES })],
    ['a line of 16 KiB', JSON.stringify({ Key: {}, ...TIMES, source_labels: Array(16).fill('x'.repeat(1021)) })],
    ['201 policies', JSON.stringify({ Key: { policies: { enforced_policies: Array(201).fill(POLICY) } }, ...TIMES })],
    ['a policy without a tier', withPolicy({ kind: 1, name: '-.a', action: 1 })],
    ['a | in a name', withPolicy({ ...POLICY, name: 'a|b' })],
    ['a trigger of what is no end of a tier', withPolicy({ ...POLICY, trigger: POLICY })],
    ['a trigger with an action', withPolicy({ kind: 10, tier: 't', action: 2, rule_index: -1, trigger: POLICY })],
    ['triggers without end', `{"Key":{"policies":{"pending_policies":[${'{"kind":10,"trigger":'.repeat(300_000)}`],
    [
      'lists without end',
      `{"Key":{},"start_time":1760000000,"end_time":1760000300,"source_labels":${'['.repeat(300_000)}`,
    ],
  ] as const) {
    it(`leaves ${what} to the long way`, () => {
      assert.equal(isPlain(line), false);
    });
  }

  it('takes no line that ends too early, whatever was read before', () => {
    for (const line of EMITTED_FLOWS) {
      for (let length = 0; length < line.length; length++) {
        assert.equal(isPlain(line), true);
        assert.equal(isPlain(line.slice(0, length)), false, line.slice(0, length));
      }
    }
  });

  it('takes an empty Key and empty lists', () => {
    for (const members of [{}, { source_labels: [] }]) {
      const line = JSON.stringify({ Key: { policies: { enforced_policies: [] } }, ...TIMES, ...members });
      assert.ok(isPlain(line));
      assertSame(line);
    }
  });
});
