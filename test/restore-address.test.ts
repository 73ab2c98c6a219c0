// The Job that takes a change of a managed cluster's address back: what it does, and what may be done to it.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { after, before, describe, it } from 'node:test';
import { CONNECTION, type ManagementClusterConnection } from '../src/clusters/connection-manifest.ts';
import {
  ADDRESS_CONFIG,
  type AddressConfig,
  addressPatch,
  RESTORE_JOB,
  readAddressConfig,
} from '../src/install/address-config.ts';
import type { KubeClient } from '../src/kube/client.ts';
import { type ConfigMap, objectPath } from '../src/kube/objects.ts';
import { isStatus, StatusError } from '../src/kube/status.ts';
import { tokenContext } from '../testbed/kubernetes/cluster.ts';
import { JobController } from '../testbed/kubernetes/job-controller.ts';
import { eventually, mcm, newFolder, sharedWorkbench } from './harness.ts';
import { OwnCluster } from './own-cluster.ts';
import { rightsOf, rightText, unusedRights, withoutRight } from './rights-in-use.ts';

const workbench = sharedWorkbench();
const OLD = workbench.address;
const NEW = 'new.example.com:9449';
const IMAGE = ['--image', 'registry.example.com/kubectl-mcm:0.1.0'];

describe('the Job that restores an address', () => {
  let cluster: OwnCluster;
  let client: KubeClient;
  let jobs: JobController;

  before(async () => {
    cluster = await OwnCluster.start(workbench, 'restoring');
    await cluster.installCalico('restoring');
    await install(IMAGE);
    client = cluster.client('restoring');
    jobs = new JobController(cluster, 'restoring');
  });
  after(async () => {
    await jobs.stop();
    await cluster.stop();
  });

  const install = async (flags: readonly string[]) => {
    const args = ['install', 'managed', 'restoring', '--managed-context', 'restoring', '--no-wait', ...flags];
    const { code, stdout, stderr } = await mcm(cluster, args);
    assert.equal(code, 0, stderr);
    return stdout;
  };
  const config = async () => readAddressConfig(await client.get<ConfigMap>(objectPath(ADDRESS_CONFIG)));
  const connection = async () => {
    const { spec } = await client.get<ManagementClusterConnection>(objectPath(CONNECTION));
    return spec?.managementClusterAddr;
  };
  const suspend = async (suspended: boolean) => {
    await client.patch(RESTORE_JOB, { spec: { suspend: suspended } });
    await eventually(async () => jobs.isRunning === !suspended);
  };
  /** Says what to go back to, and waits until the pod says that it will. */
  const arm = async (seconds: number): Promise<AddressConfig> => {
    const annotations = { previous: OLD, seconds: String(seconds), restoresAt: null, restoredAt: null };
    await client.patch(ADDRESS_CONFIG, addressPatch(await config(), { annotations }));
    await eventually(async () => (await config()).restoresAt !== undefined);
    return await config();
  };
  const change = async (armed: AddressConfig) => {
    await client.patch(ADDRESS_CONFIG, addressPatch(armed, { address: NEW, annotations: {} }));
    await client.patch(CONNECTION, { spec: { managementClusterAddr: NEW } });
  };
  const log = () => readFileSync(jobs.pods.at(-1)?.process.logFile ?? '', 'utf8');

  it('puts the address back, also where Guardian is told late, and says so', async () => {
    await suspend(false);
    const armed = await arm(5);
    await change(armed);
    await eventually(async () => (await config()).address === OLD);
    const { previous, restoresAt, restoredAt = 0 } = await config();
    assert.deepEqual([previous, restoresAt], [undefined, undefined]);
    assert.ok(restoredAt >= (armed.restoresAt ?? 0) - 50 && (armed.restoresAt ?? 0) - Date.now() < 5_000);
    await eventually(async () => (await connection()) === OLD);
    // A line is written behind what it tells of.
    await eventually(async () => log().includes('not confirmed in time: restored'));
    await client.patch(CONNECTION, { spec: { managementClusterAddr: NEW } });
    await eventually(async () => (await connection()) === OLD);
  });

  it('leaves a change alone that is confirmed, and runs on until it is suspended', async () => {
    await change(await arm(5));
    const annotations = { previous: null, seconds: null, restoresAt: null };
    await client.patch(ADDRESS_CONFIG, addressPatch(await config(), { annotations }));
    await eventually(async () => log().includes('"confirmed"'));
    assert.deepEqual([(await config()).address, await connection()], [NEW, NEW]);
    const [pod] = jobs.pods.slice(-1);
    await suspend(true);
    assert.equal(pod?.process.exitCode, 143);
  });

  it('keeps the time where its pod is lost', async () => {
    await suspend(false);
    const armed = await arm(6);
    await change(armed);
    await jobs.losePod();
    await eventually(async () => jobs.isRunning);
    assert.equal((await config()).restoresAt, armed.restoresAt);
    await eventually(async () => (await config()).address === OLD && (await connection()) === OLD);
    assert.ok(((await config()).restoredAt ?? 0) >= (armed.restoresAt ?? 0) - 50);
    await suspend(true);
  });

  describe('with its rights', () => {
    const ROLES = [
      '--context',
      'restoring',
      'role/kubectl-mcm-restore-address',
      'clusterrole/kubectl-mcm-restore-address',
    ];
    const ACCOUNT = 'kubectl-mcm:restore-address';
    const RIGHTS = [
      'get configmaps management-address',
      'get managementclusterconnections.operator.tigera.io tigera-secure',
      'patch configmaps management-address',
      'patch managementclusterconnections.operator.tigera.io tigera-secure',
    ];

    it('makes use of all that it has', async () => {
      const rights = await rightsOf(cluster, ROLES);
      assert.deepEqual(rights.map(rightText).sort(), RIGHTS);
      await eventually(async () => unusedRights(cluster.cluster.auditLog, ACCOUNT, rights).length === 0);
    });

    for (const text of RIGHTS) {
      it(`says no word that it would restore anything without: ${text}`, async () => {
        const right = (await rightsOf(cluster, ROLES)).find((one) => rightText(one) === text);
        assert.ok(right);
        const original = await cluster.there(['get', right.role, '-n', 'kubectl-mcm', '-o', 'json']);
        await cluster.there(['replace', '-f', '-'], withoutRight(original, right));
        try {
          const annotations = { previous: OLD, seconds: '600', restoresAt: null, restoredAt: null };
          await client.patch(ADDRESS_CONFIG, addressPatch(await config(), { annotations }));
          await suspend(false);
          const verb = text.slice(0, text.indexOf(' '));
          await eventually(async () => new RegExp(`is forbidden: [^\n]*cannot ${verb} resource`).test(log()));
          assert.equal((await config()).restoresAt, undefined);
        } finally {
          await cluster.there(['replace', '-f', '-'], withoutRight(original, undefined));
        }
        await eventually(async () => (await config()).restoresAt !== undefined);
        await suspend(true);
      });
    }
  });

  it('cannot be changed into a pod of another kind by who may let it run, whether it runs or not', async () => {
    await cluster.apply([
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: { name: 'guardian', namespace: 'calico-system' } },
    ]);
    const token = (await cluster.there(['create', 'token', 'guardian', '-n', 'calico-system'])).trim();
    const folder = newFolder(workbench, 'guardian');
    const guardian = cluster.clientOf(tokenContext(cluster.cluster, token), folder);
    const podSpec = (spec: object) => ({ spec: { template: { spec } } });
    const container = { name: 'restore-address', image: 'registry.example.com/kubectl-mcm:0.1.0' };
    for (const suspended of [true, false]) {
      await guardian.patch(RESTORE_JOB, { spec: { suspend: suspended } });
      for (const patch of [
        podSpec({ containers: [{ ...container, image: 'evil' }] }),
        podSpec({ containers: [{ ...container, command: ['sh'] }] }),
        podSpec({ containers: [{ ...container, args: ['forward'] }] }),
        podSpec({ containers: [{ ...container, securityContext: { privileged: true } }] }),
        podSpec({ initContainers: [container] }),
        podSpec({ serviceAccountName: 'forwarder' }),
        podSpec({ volumes: [{ name: 'host', hostPath: { path: '/' } }] }),
        podSpec({ hostNetwork: true }),
        podSpec({ hostPID: true }),
        podSpec({ securityContext: { runAsUser: 0, runAsNonRoot: false } }),
      ]) {
        await assert.rejects(guardian.patch(RESTORE_JOB, patch), isInvalid, JSON.stringify(patch));
      }
    }
    const other = { ...RESTORE_JOB, metadata: { ...RESTORE_JOB.metadata, name: 'other' } };
    const isForbidden = (error: unknown) => isStatus(error, 403);
    await assert.rejects(guardian.create({ ...other, spec: {} } as typeof other), isForbidden);
    await assert.rejects(guardian.delete(RESTORE_JOB), isForbidden);
    await assert.rejects(guardian.patch(other, {}), isForbidden);
    await guardian.patch(RESTORE_JOB, { spec: { suspend: true } });
  });

  it('is made anew where its image is another, and taken away with what it is for', async () => {
    const other = ['--image', 'registry.example.com/kubectl-mcm:0.2.0'];
    await client.patch(CONNECTION, { spec: { managementClusterAddr: OLD } });
    assert.match(await install(other), /^job\.batch\/restore-address configured \(restoring\)$/m);
    assert.match(await install(other), /^job\.batch\/restore-address unchanged \(restoring\)$/m);
    const image = '-o=jsonpath={.spec.template.spec.containers[0].image} {.spec.suspend}';
    const job = ['get', 'job', 'restore-address', '-n', 'kubectl-mcm'];
    assert.equal(await cluster.there([...job, image]), 'registry.example.com/kubectl-mcm:0.2.0 true');
    const without = await install([...other, '--no-lifecycle']);
    assert.match(without, /^job\.batch\/restore-address deleted \(restoring\)$/m);
    assert.match(without, /^configmap\/management-address deleted \(restoring\)$/m);
    assert.equal(without.match(/ deleted /g)?.length, 11);
  });
});

function isInvalid(error: unknown): boolean {
  return error instanceof StatusError && error.code === 422 && error.message.includes('field is immutable');
}
