import { managedCluster } from '../../src/clusters/managed-cluster.ts';
import { mustRun } from '../../testbed/processes.ts';
import { Testbed } from '../../testbed/testbed.ts';
import { type Result, result } from '../result.ts';

const PROJECT = `${import.meta.dirname}/../..`;
const ROUNDS = 15;

/** Runs of a command in each round. */
const RUNS = 4;

/** What a list shows. */
const CLUSTERS = 100;

/** A command of ours, and kubectl's for the same; without a server where none is asked. */
interface Row {
  readonly ours: readonly string[];
  readonly theirs: readonly string[];
}

const ROWS: Readonly<Record<string, Row>> = {
  'version-vs-kubectl': { ours: ['version'], theirs: ['version', '--client'] },
  'clusters-vs-kubectl': { ours: ['clusters'], theirs: ['get', 'managedclusters'] },
};

/**
 * Our commands beside kubectl's own, with the same API server: processor time from a process's start to its end. Ours is
 * run as kubectl runs a plugin, without kubectl's part before that, which both have.
 */
export async function cli(rows: readonly string[], tell: (text: string) => void): Promise<Result[]> {
  const unknown = rows.find((row) => ROWS[row] === undefined);
  if (unknown !== undefined) throw new Error(`there is no row "${unknown}"; there are ${Object.keys(ROWS).join(', ')}`);
  const wanted = Object.entries(ROWS).filter(([name]) => rows.length === 0 || rows.includes(name));
  await mustRun(process.execPath, ['build.ts'], { cwd: PROJECT });
  const testbed = await Testbed.start([], tell);
  try {
    const { address, apiAddress } = testbed;
    await testbed.mustKubectl(['mcm', 'install', 'management', '--address', address, '--external-manager', apiAddress]);
    const items = Array.from({ length: CLUSTERS }, (_, at) => managedCluster(`cluster-${at}`, {}));
    const input = JSON.stringify({ apiVersion: 'v1', kind: 'List', items });
    await testbed.mustKubectl(['create', '-f', '-'], { input });
    const results: Result[] = [];
    for (const [name, { ours, theirs }] of wanted) {
      const times: { readonly ours: number[]; readonly theirs: number[] } = { ours: [], theirs: [] };
      for (let round = 0; round < ROUNDS; round++) {
        times.ours.push(await cpuOf(testbed, 'kubectl-mcm', ours));
        times.theirs.push(await cpuOf(testbed, 'kubectl', theirs));
      }
      const unit = `ms of CPU for one run; ${CLUSTERS} clusters`;
      const row = result({ name, ours: median(times.ours), theirs: median(times.theirs), unit, better: 'lower' });
      tell(`${name}: ${row.ours.toFixed(0)} ms, kubectl ${row.theirs?.toFixed(0)} ms`);
      results.push(row);
    }
    return results;
  } finally {
    await testbed.stop();
  }
}

/** Milliseconds of processor time, of the whole process, as its shell counts it. */
async function cpuOf({ env, directory }: Testbed, command: string, args: readonly string[]): Promise<number> {
  const script = `for run in $(seq ${RUNS}); do "$@" >/dev/null || exit 1; done; times`;
  const output = await mustRun('bash', ['-c', script, 'bash', command, ...args], { env, cwd: directory });
  // The second line is that of the children: user and system time as 0m1.234s.
  const [, children = ''] = output.split('\n');
  const seconds = [...children.matchAll(/(\d+)m([\d.]+)s/g)].map(
    ([, minutes, rest]) => Number(minutes) * 60 + Number(rest),
  );
  return (seconds.reduce((sum, value) => sum + value, 0) / RUNS) * 1000;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
