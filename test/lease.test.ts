import assert from 'node:assert/strict';
import { it } from 'node:test';
import { holdLease, type Lease } from '../src/kube/lease.ts';
import { apply, eventually, getObject, sharedWorkbench } from './harness.ts';
import { adminClient } from './proxies.ts';

const workbench = sharedWorkbench();
const SECONDS = 3;

/** A contender for a lease, and whether it is at work. */
function contend(name: string, identity: string) {
  const stop = new AbortController();
  const contender = { working: false, errors: [] as unknown[], stop: async () => undefined as undefined };
  const lease = { apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata: { name, namespace: 'default' } };
  const onError = (error: unknown) => contender.errors.push(error);
  const work = async (held: AbortSignal) => {
    contender.working = true;
    await new Promise<void>((resolve) => held.addEventListener('abort', () => resolve()));
    contender.working = false;
  };
  const options = { lease, identity, seconds: SECONDS, signal: stop.signal, onError };
  const done = holdLease(options, adminClient(workbench), work);
  contender.stop = async () => {
    stop.abort();
    await done;
    return undefined;
  };
  return contender;
}

async function leaseOf(name: string, spec: object): Promise<void> {
  const metadata = { name, namespace: 'default' };
  await apply(workbench, [{ apiVersion: 'coordination.k8s.io/v1', kind: 'Lease', metadata, spec }]);
}

it('a lease has one holder at a time, and the next one as soon as it is given back', async () => {
  await leaseOf('given-back', {});
  const all = ['a', 'b', 'c'].map((identity) => contend('given-back', identity));
  const atWork = () => all.filter(({ working }) => working);
  for (let left = all.length; left > 0; left--) {
    await eventually(async () => atWork().length > 0);
    const seen = new Set<number>();
    const until = performance.now() + SECONDS * 1500;
    while (performance.now() < until) {
      seen.add(atWork().length);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    assert.ok(!seen.has(2) && !seen.has(3), 'never two');
    const [holder] = atWork();
    await holder?.stop();
    assert.equal(holder?.working, false);
  }
  const { spec } = await getObject<Lease>(workbench, 'lease', 'given-back');
  assert.equal(spec?.holderIdentity ?? '', '');
  assert.deepEqual(
    all.flatMap(({ errors }) => errors),
    [],
  );
});

it('a lease whose holder is gone is taken when it has run out, by the clock of who waits for it', async () => {
  // Its own clock was an hour ahead.
  const renewTime = new Date(Date.now() + 3_600_000).toISOString().replace('Z', '000Z');
  await leaseOf('run-out', { holderIdentity: 'gone', leaseDurationSeconds: SECONDS, renewTime, leaseTransitions: 4 });
  const started = performance.now();
  const contender = contend('run-out', 'a');
  await eventually(async () => contender.working);
  assert.ok(performance.now() - started > SECONDS * 1000);
  const { spec } = await getObject<Lease>(workbench, 'lease', 'run-out');
  assert.deepEqual([spec?.holderIdentity, spec?.leaseTransitions], ['a', 5]);
  await contender.stop();
});
