import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { after, before, describe, it } from 'node:test';
import { NODE } from '../testbed/kubernetes/container-image.ts';
import { Pod } from '../testbed/kubernetes/pod.ts';
import { ServiceProxy } from '../testbed/kubernetes/service-proxy.ts';
import { apply, sharedWorkbench } from './harness.ts';

const workbench = sharedWorkbench();
const NAMESPACE = 'played-kubelet';
const isRoot = process.getuid?.() === 0;

/** Prints what a container sees of the world. */
const LOOK_AROUND = `
const { readFileSync, readdirSync, statSync, writeFileSync } = require('node:fs');
const { USER, PASSWORD, COLOR, NONE, NODE_NAME, GREETING } = process.env;
writeFileSync('/data/count', String((() => { try { return readFileSync('/data/count', 'utf8') * 1 } catch { return 0 } })() + 1));
writeFileSync('/scratch/mark', '', { flag: 'wx' });
let refused = '';
try { writeFileSync('/usr/mark', '') } catch ({ code }) { refused = code }
console.log(JSON.stringify({
  args: process.argv.slice(1), uid: process.getuid(), gid: process.getgid(), refused,
  env: { USER, PASSWORD, COLOR, NONE, NODE_NAME, GREETING },
  secret: readFileSync('/certs/key.pem', 'utf8'), secrets: readdirSync('/certs'), mode: statSync('/certs/key.pem').mode & 0o777,
  config: readFileSync('/etc/app/config.yaml', 'utf8'), count: readFileSync('/data/count', 'utf8'),
  log: readFileSync('/var/log/app.log', 'utf8'), root: readdirSync('/'),
}));`;

const metadata = (name: string) => ({ name, namespace: NAMESPACE });

function statefulSet(name: string, container: object, pod: object = {}) {
  return {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: metadata(name),
    spec: {
      serviceName: name,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: { serviceAccountName: 'app', containers: [{ name: 'app', image: 'app', ...container }], ...pod },
      },
      volumeClaimTemplates: [
        {
          metadata: { name: 'data' },
          spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } },
        },
      ],
    },
  };
}

describe('a rendered workload as a process', () => {
  const pods: Pod[] = [];

  const start = async (workload: string) => {
    const pod = await Pod.start(workbench, { namespace: NAMESPACE, workload });
    pods.push(pod);
    return pod;
  };

  before(async () => {
    await apply(workbench, [
      { apiVersion: 'v1', kind: 'Namespace', metadata: { name: NAMESPACE } },
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: metadata('app') },
      {
        apiVersion: 'v1',
        kind: 'ConfigMap',
        metadata: metadata('app'),
        data: { 'config.yaml': 'a: 1', color: 'blue' },
      },
      {
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: metadata('app'),
        stringData: { 'tls.key': 'secret key', user: 'jane', password: 'pass' },
      },
    ]);
  });

  after(async () => {
    await Promise.all(pods.map((pod) => pod.stop()));
    await workbench.mustKubectl(['delete', 'namespace', NAMESPACE, '--wait=false']);
  });

  it('has the command, environment, user and files that its spec says, and no others', async () => {
    const ref = (key: string) => ({ name: 'app', key });
    await apply(workbench, [
      statefulSet(
        'looks-around',
        {
          command: [NODE, '-e', LOOK_AROUND],
          args: ['node=$(NODE_NAME)', '$(UNKNOWN)', '$$(NODE_NAME)'],
          env: [
            { name: 'USER', valueFrom: { secretKeyRef: ref('user') } },
            { name: 'PASSWORD', valueFrom: { secretKeyRef: ref('password') } },
            { name: 'COLOR', valueFrom: { configMapKeyRef: ref('color') } },
            { name: 'NONE', valueFrom: { configMapKeyRef: { ...ref('none'), optional: true } } },
            { name: 'NODE_NAME', valueFrom: { fieldRef: { fieldPath: 'spec.nodeName' } } },
            { name: 'GREETING', value: 'hello $(USER)' },
          ],
          volumeMounts: [
            { name: 'certs', mountPath: '/certs' },
            { name: 'config', mountPath: '/etc/app' },
            { name: 'data', mountPath: '/data' },
            { name: 'scratch', mountPath: '/scratch' },
            { name: 'log', mountPath: '/var/log' },
          ],
        },
        {
          securityContext: { runAsUser: 65532, runAsGroup: 65533, fsGroup: 65534 },
          volumes: [
            {
              name: 'certs',
              secret: { secretName: 'app', defaultMode: 0o400, items: [{ key: 'tls.key', path: 'key.pem' }] },
            },
            { name: 'config', configMap: { name: 'app' } },
            { name: 'scratch', emptyDir: {} },
            { name: 'log', hostPath: { path: '/var/log' } },
          ],
        },
      ),
    ]);
    const seenBy = async (pod: Pod) => {
      assert.equal(
        await pod.untilEnded(),
        1,
        `without its log on the node it fails: ${readFileSync(pod.process.logFile, 'utf8')}`,
      );
      writeFileSync(pod.path('/var/log/app.log'), 'a line');
      await pod.restart();
      assert.equal(await pod.untilEnded(), 0, readFileSync(pod.process.logFile, 'utf8'));
      return JSON.parse(readFileSync(pod.process.logFile, 'utf8').trim().split('\n').at(-1) ?? '') as object;
    };
    const { root, ...seen } = (await seenBy(await start('statefulset/looks-around'))) as { root: string[] };
    assert.deepEqual(seen, {
      args: ['node=node-1', '$(UNKNOWN)', '$(NODE_NAME)'],
      uid: isRoot ? 65532 : 0,
      gid: isRoot ? 65533 : 0,
      refused: isRoot ? 'EACCES' : '',
      env: { USER: 'jane', PASSWORD: 'pass', COLOR: 'blue', NODE_NAME: 'node-1', GREETING: 'hello jane' },
      secret: 'secret key',
      secrets: ['key.pem'],
      mode: 0o440,
      config: 'a: 1',
      // What is claimed outlives the pod, and what is not does not: it could be marked again.
      count: '2',
      log: 'a line',
    });
    assert.equal(root.includes('home'), false, 'nothing of this machine');
  });

  it('is its ServiceAccount to the API server, and nobody else', async () => {
    const serviceAccount = { kind: 'ServiceAccount', name: 'app', namespace: NAMESPACE };
    const role = {
      apiVersion: 'rbac.authorization.k8s.io/v1',
      kind: 'ClusterRole',
      metadata: { name: NAMESPACE },
      rules: [{ apiGroups: ['kubectl-mcm.io'], resources: ['managedclusters'], verbs: ['list'] }],
    };
    await apply(workbench, [statefulSet('lists', { args: ['clusters', '-o', 'name'] })]);
    const pod = await start('statefulset/lists');
    assert.equal(await pod.untilEnded(), 1);
    assert.match(
      readFileSync(pod.process.logFile, 'utf8'),
      /User "system:serviceaccount:played-kubelet:app" cannot list resource "managedclusters"/,
    );
    await apply(workbench, [
      role,
      {
        ...{ apiVersion: role.apiVersion, kind: 'ClusterRoleBinding', metadata: role.metadata },
        subjects: [serviceAccount],
        roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'ClusterRole', name: NAMESPACE },
      },
    ]);
    await pod.restart();
    assert.equal(await pod.untilEnded(), 0, readFileSync(pod.process.logFile, 'utf8'));
    await workbench.mustKubectl(['delete', 'clusterrole,clusterrolebinding', NAMESPACE]);
  });

  it('does not start without what it mounts', async () => {
    const volumes = [{ name: 'certs', secret: { secretName: 'nobody-made-it' } }];
    await apply(workbench, [
      statefulSet('lacks', { volumeMounts: [{ name: 'certs', mountPath: '/certs' }] }, { volumes }),
    ]);
    await assert.rejects(
      start('statefulset/lacks'),
      /MountVolume\.SetUp failed for volume "certs": "nobody-made-it" not found/,
    );
  });

  it('is reached by the address of its Service', async (t) => {
    await apply(workbench, [
      {
        apiVersion: 'v1',
        kind: 'Service',
        metadata: metadata('web'),
        spec: { selector: { app: 'web' }, ports: [{ port: 8443, targetPort: 8080 }] },
      },
    ]);
    const ip = '127.200.0.1';
    const server = createServer((_request, response) => response.end('here')).listen(0, ip);
    await once(server, 'listening');
    t.after(() => server.close());
    const { port } = server.address() as { port: number };
    const patch = JSON.stringify({ spec: { ports: [{ port: 8443, targetPort: port }] } });
    await workbench.mustKubectl(['-n', NAMESPACE, 'patch', 'service', 'web', '-p', patch]);
    const proxy = await ServiceProxy.start(workbench, { namespace: NAMESPACE, service: 'web' }, { ip });
    t.after(() => proxy.stop());
    assert.equal(await (await fetch(`http://${proxy.ip}:8443/`)).text(), 'here');
  });
});
