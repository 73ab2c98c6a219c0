import assert from 'node:assert/strict';
import { after, before, describe, it, type TestContext } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { run, type ServerProcess } from '../testbed/processes.ts';
import { Follower } from './follower.ts';
import { addSender, apiServicesAre, eventually, grant, mcm, post, type Sender, sharedWorkbench } from './harness.ts';
import { type OwnManagement, startOwnManagement } from './own-management.ts';
import { ApiProxy } from './proxies.ts';

const shared = sharedWorkbench();
let own: OwnManagement;
let manager: ServerProcess;
const senders = new Map<string, Sender>();

before(async () => {
  own = await startOwnManagement(shared, 'followed');
  manager = await own.workbench.startManager();
  for (const name of ['follow-a', 'follow-b', 'follow-c', 'follow-d'])
    senders.set(name, await addSender(own.workbench, name));
  await apiServicesAre(own.workbench, 'True');
});
after(async () => {
  await manager?.stop();
  await own?.cluster.stop();
});

/** Sends a record of that name, which is so many milliseconds old, until it is taken. */
async function send(cluster: string, n: string, age = 0): Promise<void> {
  const { credentials } = senders.get(cluster) as Sender;
  const line = JSON.stringify({ end_time: (Date.now() - age) / 1000, action: 'deny', n });
  const attempt = async () => (await post(credentials, '/api/v1/flows/logs/bulk', `${line}\n`)).code;
  await eventually(async () => (await attempt().catch(() => 0)) === 200, 60_000);
}

/** Waits until a record can be found by whoever looks. */
async function visible(n: string): Promise<void> {
  const path = `/tigera_secure_ee_flows.follow-*/_search?q=*&size=1000&_source=n`;
  await eventually(async () => JSON.stringify(await shared.elasticsearch.request('GET', path)).includes(`"${n}"`));
}

const NAMES = ['-o', 'jsonpath={.n}'];

function follow(t: TestContext, clusters: string, args: readonly string[]): Follower {
  return new Follower(own.workbench, ['--cluster', clusters, ...args], t);
}

describe('logs -f', () => {
  it('begins with the newest, then prints what arrives, once', async (t) => {
    for (const n of ['first', 'second', 'third']) await send('follow-a', n, 10_000);
    await visible('third');
    const following = follow(t, 'follow-a', ['--tail', '1', ...NAMES]);
    await following.prints('third');
    await send('follow-a', 'fourth');
    await following.prints('fourth');
    await send('follow-a', 'late, of yesterday', 86_400_000);
    await following.prints('late, of yesterday');
    const { code, signal } = await following.stop();
    assert.deepEqual([code, signal], [null, 'SIGINT']);
    assert.deepEqual(following.lines, ['third', 'fourth', 'late, of yesterday']);
  });

  it('begins with all since a time, and with nothing where that is asked for', async (t) => {
    const all = follow(t, 'follow-a', ['--since', '1h', ...NAMES]);
    const nothing = follow(t, 'follow-a,follow-b', ['--tail', '0', ...NAMES]);
    await all.prints('third');
    await sleep(4_000);
    await send('follow-a', 'fifth');
    await send('follow-a', 'too old', 7_200_000);
    for (const one of [all, nothing]) await one.prints('fifth');
    await nothing.prints('too old');
    await Promise.all([all.stop(), nothing.stop()]);
    assert.deepEqual(all.lines.toSorted(), ['fifth', 'first', 'fourth', 'second', 'third']);
    assert.deepEqual(nothing.lines.toSorted(), ['fifth', 'too old']);
  });

  it('prints a record within two polls of its arrival, of one cluster and of several', async (t) => {
    const followed = await Promise.all(
      ['follow-b', 'follow-b,follow-c'].map(async (clusters) => {
        const proxy = await ApiProxy.start(own.workbench.facts.management);
        t.after(() => proxy.stop());
        const polls = () => proxy.requests.filter((request) => request.includes('arrivedSince')).length;
        return { polls, following: follow(t, clusters, ['--tail', '0', ...NAMES, '--server', proxy.url]) };
      }),
    );
    for (const { polls } of followed) await eventually(async () => polls() > 1);
    for (let n = 0; n < 5; n++) {
      const name = `polled ${n}`;
      await send('follow-b', name);
      await visible(name);
      await Promise.all(
        followed.map(async ({ polls, following }) => {
          const before = polls();
          await following.prints(name);
          assert.ok(polls() - before <= 2, `${polls() - before} polls`);
        }),
      );
      // At any point between two polls.
      await sleep(n * 450);
    }
  });

  it('goes on over midnight, into an index that was not there', async (t) => {
    const hour = 3_600_000;
    // Records may be twelve hours ahead.
    const midnight = Math.floor((Date.now() + 11 * hour) / (24 * hour)) * 24 * hour;
    const following = follow(t, 'follow-d', ['--since', '14h', '-v=6', ...NAMES]);
    await following.prints(/arrivedSince/);
    for (const [name, time] of [
      ['last of the day', midnight - 1000],
      ['first of the next', midnight + 1000],
    ] as const) {
      await send('follow-d', name, Date.now() - time);
      await following.prints(name);
    }
    await following.stop();
    const printed = following.lines.filter((line) => / of the /.test(line));
    assert.deepEqual(printed, ['last of the day', 'first of the next']);
    const indices = await shared.elasticsearch.request('GET', '/tigera_secure_ee_flows.follow-d.*');
    const days = [midnight - 1000, midnight].map((time) =>
      new Date(time).toISOString().slice(0, 10).replaceAll('-', ''),
    );
    assert.deepEqual(
      Object.keys(indices as object).sort(),
      days.map((day) => `tigera_secure_ee_flows.follow-d.${day}`),
    );
  });

  it('prints in the order of time what arrives together, and in that of arrival where asked', async (t) => {
    const args = ['--tail', '0', ...NAMES];
    const byTime = follow(t, 'follow-a,follow-b', args);
    const byArrival = follow(t, 'follow-a,follow-b', [...args, '--order', 'arrival']);
    await Promise.all([byTime, byArrival].map((one) => started(one)));
    const cursor = [byTime, byArrival].map(({ lines }) => lines.length);
    await send('follow-a', 'newer', 1_000);
    await send('follow-b', 'older', 5_000);
    for (const one of [byTime, byArrival]) for (const n of ['newer', 'older']) await one.prints(n);
    await Promise.all([byTime.stop(), byArrival.stop()]);
    assert.deepEqual(byTime.lines.slice(cursor[0]), ['older', 'newer']);
    assert.deepEqual(byArrival.lines.slice(cursor[1]), ['newer', 'older']);
  });

  /** Until it prints what arrives. */
  async function started(following: Follower): Promise<void> {
    let n = 0;
    const count = following.lines.length;
    while (following.lines.length === count) {
      await send('follow-a', `begin ${Math.random()} ${n++}`, 60_000);
      await sleep(2_500);
    }
    await sleep(6_000);
  }

  it('goes on, with nothing lost and nothing twice, after whatever ends and comes back', async (t) => {
    const proxy = await ApiProxy.start(own.workbench.facts.management);
    t.after(() => proxy.stop());
    const following = follow(t, 'follow-a,follow-b,follow-c', ['--tail', '0', ...NAMES, '--server', proxy.url]);
    await eventually(async () => proxy.requests.some((request) => request.includes('arrivedSince')));
    const sent: string[] = [];
    let sending = true;
    t.after(() => {
      sending = false;
    });
    const writer = (async () => {
      for (let n = 0; sending; n++) {
        const cluster = ['follow-a', 'follow-b', 'follow-c'][n % 3] ?? '';
        // Some of them late, and some of another day, whose index may not be there yet.
        await send(cluster, `r${n}`, [0, 0, 30_000, 3 * 86_400_000][n % 4]);
        sent.push(`r${n}`);
        await sleep(100);
      }
    })();
    const warnings = () => following.lines.filter((line) => line.startsWith('warning: ')).length;
    /** A trouble that lasts until it is told, and then is over: what is sent from then on is printed. */
    const during = async (begin: () => unknown, end: () => unknown) => {
      const before = warnings();
      await begin();
      await eventually(async () => warnings() > before, 60_000);
      await end();
      await goesOn();
    };
    const goesOn = async () => {
      const since = sent.length;
      await eventually(async () => sent.slice(since).some((name) => following.lines.includes(name)), 60_000);
    };
    await goesOn();
    await during(
      () => manager.stop('SIGKILL'),
      async () => {
        manager = await own.workbench.startManager();
      },
    );
    await own.cluster.restartApiserver();
    await goesOn();
    for (const code of [429, 503]) {
      let mend = () => {};
      await during(
        () => {
          mend = proxy.refuse(/arrivedSince/, code);
        },
        () => mend(),
      );
    }
    proxy.reset();
    await goesOn();
    sending = false;
    await writer;
    const isThere = (line: string) => /^r\d+$/.test(line);
    await eventually(async () => following.lines.filter(isThere).length >= sent.length, 60_000);
    await sleep(6_000);
    const { stderr } = await following.stop();
    assert.deepEqual(following.lines.filter(isThere).toSorted(), sent.toSorted());
    const notes = stderr.split('\n').filter((line) => line.startsWith('note: '));
    assert.ok(sent.length > 50, String(sent.length));
    // Once for each cluster and trouble, however often it was tried.
    assert.ok(warnings() >= 3 && warnings() <= 15, stderr);
    assert.equal(notes.length, warnings(), stderr);
  });

  it('says once what may not be read, and once when it may be again, and then has all of it', async (t) => {
    const { workbench } = own;
    for (const cluster of ['follow-a', 'follow-b']) {
      await grant(workbench, `fay-${cluster}`, { resources: [cluster], resourceNames: ['flows'] });
    }
    const bind = async (verb: 'create' | 'delete') => {
      const what = verb === 'create' ? ['--clusterrole', 'logs-fay-follow-b', '--user', 'fay'] : [];
      await workbench.mustKubectl([verb, 'clusterrolebinding', 'fay-b', ...what]);
    };
    await workbench.mustKubectl([
      'create',
      'clusterrolebinding',
      'fay-a',
      '--clusterrole',
      'logs-fay-follow-a',
      '--user',
      'fay',
    ]);
    await bind('create');
    const following = follow(t, 'follow-a,follow-b', ['--tail', '0', '--as', 'fay', ...NAMES]);
    await sleep(5_000);
    await bind('delete');
    await following.prints(/^warning: flow logs of cluster "follow-b" are not shown: .* is forbidden: User "fay" /);
    await send('follow-b', 'meanwhile');
    await send('follow-a', 'readable');
    await following.prints('readable');
    await sleep(3_000);
    assert.ok(!following.lines.includes('meanwhile'));
    await bind('create');
    await following.prints('meanwhile');
    await following.prints('note: flow logs of cluster "follow-b" are shown again');
    await following.stop();
    assert.deepEqual(following.lines.filter((line) => /follow-b/.test(line)).length, 2);
    assert.equal(following.lines.filter((line) => line === 'readable').length, 1);
    const alone = await mcm(workbench, ['logs', '-f', '--cluster', 'follow-c', '--as', 'fay']);
    assert.deepEqual([alone.code, alone.stdout], [1, '']);
    assert.match(alone.stderr, /^Error from server \(Forbidden\): /);
  });

  it('streams every output', async (t) => {
    const outputs = {
      compact: /deny/,
      wide: /^20\S+Z +follow-c +deny/,
      table: /^20\S+Z +deny/,
      csv: /^20\S+Z,follow-c,deny,/,
      json: /"n":"streamed"/,
      jsonl: /"n":"streamed"/,
      raw: /^\{"end_time":.*"n":"streamed"/,
      yaml: /^"n": streamed$/,
      name: /^flows\/follow-c\//,
      'jsonpath={.n}': /^streamed$/,
      'custom-columns=N:.n': /^streamed$/,
    };
    const following = Object.keys(outputs).map((output) => follow(t, 'follow-c', ['--tail', '0', '-o', output]));
    // Whenever each of them has begun.
    while (following.some(({ lines }) => lines.length === 0)) {
      await send('follow-c', 'streamed');
      await sleep(3_000);
    }
    for (const [at, wanted] of Object.values(outputs).entries()) await following[at]?.prints(wanted);
    for (const one of following) await one.stop();
    const headers = [1, 2, 3, 10].map((at) => following[at]?.lines[0]?.split(/[ ,]/)[0]);
    assert.deepEqual(headers, ['TIME', 'TIME', 'TIME', 'N']);
  });

  it('ends silently where the reader of a pipe stops', async () => {
    const line = 'kubectl mcm logs -f --cluster follow-a --since 1h -o name | head -n 1';
    const running = run('bash', ['-o', 'pipefail', '-c', line], { env: own.workbench.env });
    // A pipe that nobody reads any more is noticed at the next record.
    let ended = false;
    const outcome = running.finally(() => {
      ended = true;
    });
    for (let n = 0; !ended && n < 20; n++) {
      await send('follow-a', `pipe ${n}`);
      await sleep(1_500);
    }
    const { code, stdout, stderr } = await outcome;
    assert.deepEqual([code, stderr, stdout.split('\n').length], [0, '', 2]);
  });

  for (const [args, message] of [
    [['--until', '1m'], 'error: --until and --follow cannot be used together\n'],
    [['--order', 'desc'], 'error: --order desc and --follow cannot be used together: what arrives comes last\n'],
  ] as const) {
    it(`is not for ${args.join(' ')}`, async () => {
      const { code, stderr } = await mcm(own.workbench, ['logs', '-f', '--cluster', 'follow-a', ...args]);
      assert.deepEqual([code, stderr], [1, message]);
    });
  }
});
