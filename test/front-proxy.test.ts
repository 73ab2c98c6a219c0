import assert from 'node:assert/strict';
import { before, describe, it } from 'node:test';
import { createKeyPair, daysFromNow, type KeyPair } from '../src/clusters/key-pair.ts';
import { MANAGEMENT_CONFIG } from '../src/install/management.ts';
import type { ConfigMap } from '../src/kube/objects.ts';
import { eventually, getObject, type HttpAnswer, rawRequest, sharedWorkbench } from './harness.ts';

const workbench = sharedWorkbench();
const CONFIG = ['configmap', 'extension-apiserver-authentication', '-n', 'kube-system'] as const;
const KEY = 'requestheader-client-ca-file';

let managementCa: string;
let newCa: KeyPair;

before(async () => {
  const config = await getObject<ConfigMap>(workbench, 'configmap', MANAGEMENT_CONFIG, '-n', 'kubectl-mcm');
  managementCa = config.data?.['ca.crt'] ?? '';
  newCa = await createKeyPair({ commonName: 'new-front-proxy-ca', usages: [], ca: true, notAfter: daysFromNow(1) });
});

/** Asks the manager as a kube-apiserver that has this name and a certificate of the new CA. */
async function askAs(commonName: string): Promise<HttpAnswer> {
  const keys = await createKeyPair({ commonName, usages: ['client'], notAfter: daysFromNow(1) }, newCa);
  return await rawRequest(`https://${workbench.apiAddress}`, '/apis/lma.tigera.io', {
    ...{ ca: managementCa, servername: 'manager.kubectl-mcm.svc' },
    ...{ cert: keys.certificate, key: keys.key, headers: { 'X-Remote-User': 'jane' } },
  });
}

async function publish(ca: string): Promise<void> {
  await workbench.mustKubectl(['patch', ...CONFIG, '--type=merge', '-p', JSON.stringify({ data: { [KEY]: ca } })]);
}

describe("the front proxy's configuration", () => {
  it('counts as it is now: a CA that comes, the names it allows, and a CA that goes', async (t) => {
    const before = (await getObject<ConfigMap>(workbench, ...CONFIG)).data?.[KEY] ?? '';
    t.after(() => publish(before));
    assert.equal((await askAs('front-proxy-client')).code, 401);

    await publish(`${before}${newCa.certificate}`);
    await eventually(async () => (await askAs('front-proxy-client')).code === 200);
    for (const name of ['front-proxy-clients', 'front-proxy', 'jane', '']) {
      const { code, text } = await askAs(name);
      assert.equal(code, 401, name);
      assert.match(text, /"reason":"Unauthorized"/);
    }
    // kube-apiserver's own way in is open all the time.
    await workbench.mustKubectl(['get', '--raw', '/apis/lma.tigera.io']);

    await publish(before);
    await eventually(async () => (await askAs('front-proxy-client')).code === 401);
    await workbench.mustKubectl(['get', '--raw', '/apis/lma.tigera.io']);
  });
});
