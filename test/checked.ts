import assert from 'node:assert/strict';
import type { Finding, Section } from '../src/plugin/check/finding.ts';
import type { Workbench } from '../testbed/testbed.ts';
import { mcm } from './harness.ts';

/** What `check` found. */
export interface Checked {
  readonly code: number | null;
  readonly findings: readonly Finding[];
  /** Of what is not well. */
  readonly ids: readonly string[];
}

/** Runs `kubectl mcm check`. */
export async function check(
  bench: Workbench,
  args: readonly string[] = [],
  env: NodeJS.ProcessEnv = {},
): Promise<Checked> {
  const { code, stdout, stderr } = await mcm(bench, ['check', ...args, '-o', 'json'], { env });
  assert.notEqual(stdout, '', stderr);
  const findings = (JSON.parse(stdout) as readonly Section[]).flatMap((section) => section.findings);
  const ids = findings.filter(({ level }) => level === 'error' || level === 'warning').map(({ id }) => id);
  return { code, findings, ids: [...new Set(ids)] };
}

/** The finding of that id that is worst. */
export function of({ findings }: Checked, id: string): Finding {
  const order = ['error', 'warning', 'skipped', 'ok'];
  const [worst] = findings
    .filter((one) => one.id === id)
    .sort((a, b) => order.indexOf(a.level) - order.indexOf(b.level));
  assert.ok(worst !== undefined, `no check ${id} in ${JSON.stringify(findings)}`);
  return worst;
}
