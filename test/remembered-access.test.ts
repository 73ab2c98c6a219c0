import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { flows } from '../src/logs/types/flows.ts';
import { LogAccess, type Requester } from '../src/rbac/log-access.ts';
import { eventually, grant, sharedWorkbench } from './harness.ts';
import { ApiProxy, adminClient } from './proxies.ts';

const workbench = sharedWorkbench();
const never = new AbortController().signal;

function user(name: string): Requester {
  return { user: name, uid: undefined, groups: ['system:authenticated'], extra: {} };
}

describe('an answer of RBAC', () => {
  it('is taken as true for ten seconds, and not for longer', async (t) => {
    await grant(workbench, 'fired', { resources: ['remembered'], resourceNames: ['flows'] });
    const mayRead = () => new LogAccess(adminClient(workbench), never).mayRead(user('fired'), 'remembered', flows);
    await eventually(mayRead);
    const access = new LogAccess(adminClient(workbench), never);
    t.mock.timers.enable({ apis: ['Date'], now: Date.now() });
    assert.equal(await access.mayRead(user('fired'), 'remembered', flows), true);
    await workbench.mustKubectl(['delete', 'clusterrolebinding', 'logs-fired']);
    while (await mayRead());
    t.mock.timers.tick(9_999);
    assert.equal(await access.mayRead(user('fired'), 'remembered', flows), true, 'remembered');
    t.mock.timers.tick(1);
    assert.equal(await access.mayRead(user('fired'), 'remembered', flows), false, 'asked again');
  });

  it('is for one user, cluster and name', async () => {
    await grant(workbench, 'hired', { resources: ['remembered'], resourceNames: ['flows'] });
    const access = new LogAccess(adminClient(workbench), never);
    await eventually(() => new LogAccess(adminClient(workbench), never).mayRead(user('hired'), 'remembered', flows));
    assert.equal(await access.mayRead(user('hired'), 'remembered', flows), true);
    assert.equal(await access.mayRead(user('hired'), 'another', flows), false);
    assert.equal(await access.mayRead(user('somebody'), 'remembered', flows), false);
    const inGroup = { ...user('somebody'), groups: ['system:masters'] };
    assert.equal(await access.mayRead(inGroup, 'remembered', flows), true);
  });

  it('that did not come is asked for again, and not waited for after the end', async (t) => {
    const proxy = await ApiProxy.start(workbench.facts.management);
    t.after(() => proxy.stop());
    const find = proxy.lose(/subjectaccessreviews/);
    const stop = new AbortController();
    const access = new LogAccess(adminClient(workbench, { url: proxy.url, timeout: 3_000 }), stop.signal);
    const asAdmin = { ...user('admin'), groups: ['system:masters'] };
    await assert.rejects(access.mayRead(asAdmin, 'remembered', flows), /context deadline exceeded/);
    find();
    assert.equal(await access.mayRead(asAdmin, 'remembered', flows), true);
    proxy.lose(/subjectaccessreviews/);
    const waiting = access.mayRead(user('late'), 'remembered', flows);
    stop.abort();
    await assert.rejects(waiting, { name: 'AbortError' });
  });
});
