import { generateKeyPairSync } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { join } from 'node:path';
import { stringify } from 'yaml';
import { createKeyPair, daysFromNow, type KeyPair } from '../../src/clusters/key-pair.ts';
import { freePorts, ServerProcess } from '../processes.ts';
import type { KubernetesBinaries } from './binaries.ts';

/** A user of a cluster, by client certificate. */
export interface UserName {
  readonly name: string;
  readonly groups?: readonly string[];
}

const ADMIN: UserName = { name: 'admin', groups: ['system:masters'] };
const LOOPBACK = '127.0.0.1';

/** What a managed cluster's Kubernetes audit log records (the resources that Calico's documentation names in full). */
const AUDIT_POLICY = {
  apiVersion: 'audit.k8s.io/v1',
  kind: 'Policy',
  omitStages: ['RequestReceived'],
  rules: [
    {
      level: 'RequestResponse',
      verbs: ['create', 'patch', 'update', 'delete'],
      resources: [
        { group: '', resources: ['pods', 'namespaces', 'serviceaccounts', 'endpoints', 'configmaps'] },
        { group: 'networking.k8s.io', resources: ['networkpolicies'] },
      ],
    },
    { level: 'Metadata' },
  ],
};

/** What there is to know of a running cluster. */
export interface ClusterFacts {
  readonly name: string;
  readonly directory: string;
  readonly url: string;
  readonly auditLog: string;
  /** Signs the server's certificate, and those of its users. */
  readonly ca: KeyPair;
}

/**
 * A real cluster as far as its API goes: kube-apiserver and etcd, with RBAC, aggregation and an audit log. Nothing runs
 * pods, and there are no controllers.
 */
export class Cluster {
  readonly facts: ClusterFacts;
  readonly #startApiserver: () => ServerProcess;
  #apiserver: ServerProcess;
  readonly #etcd: ServerProcess;

  private constructor(facts: ClusterFacts, startApiserver: () => ServerProcess, etcd: ServerProcess) {
    this.facts = facts;
    this.#startApiserver = startApiserver;
    this.#apiserver = startApiserver();
    this.#etcd = etcd;
  }

  /** Starts one in `directory` and waits until it is ready. */
  static async start(name: string, directory: string, binaries: KubernetesBinaries): Promise<Cluster> {
    const [clientPort = 0, peerPort = 0, apiPort = 0] = await freePorts(3);
    const files = new ClusterFiles(directory);
    const ca = await createCa(`${name}-ca`);
    await files.writeAll(ca);
    const etcd = new ServerProcess(`etcd of ${name}`, binaries.etcd, etcdFlags(files, clientPort, peerPort), {
      logFile: files.log('etcd'),
    });
    const flags = apiserverFlags(files, apiPort, clientPort);
    const startApiserver = () =>
      new ServerProcess(`kube-apiserver of ${name}`, binaries.apiserver, flags, {
        logFile: files.log('kube-apiserver'),
      });
    const url = `https://${LOOPBACK}:${apiPort}`;
    const cluster = new Cluster({ name, directory, url, auditLog: files.audit, ca }, startApiserver, etcd);
    try {
      await cluster.#untilReady();
    } catch (error) {
      await cluster.stop();
      throw error;
    }
    return cluster;
  }

  /** Kills its API server and starts it again where it was, with everything that is in etcd. */
  async restartApiserver(): Promise<void> {
    await this.#apiserver.stop('SIGKILL');
    this.#apiserver = this.#startApiserver();
    await this.#untilReady();
  }

  async stop(): Promise<void> {
    // In this order: an API server that has lost its etcd lingers and holds its port.
    await this.#apiserver.stop();
    await this.#etcd.stop();
  }

  async #untilReady(): Promise<void> {
    const { url, ca } = this.facts;
    await this.#apiserver.untilReady(async () => (await status(`${url}/readyz`, ca)) === 200);
  }
}

/** Client certificate and key of a user of a cluster, made anew. */
export async function userKeys({ ca }: ClusterFacts, { name, groups = [] }: UserName): Promise<KeyPair> {
  const request = { commonName: name, organizations: groups, usages: ['client'] } as const;
  return await createKeyPair({ ...request, notAfter: daysFromNow(2) }, ca);
}

/** A kubeconfig context for a cluster, by default as its administrator and by its name. */
export async function certificateContext(
  cluster: ClusterFacts,
  user: UserName = ADMIN,
  name = cluster.name,
): Promise<KubeContextEntry> {
  const keys = await userKeys(cluster, user);
  return {
    name,
    cluster: { server: cluster.url, 'certificate-authority-data': base64(cluster.ca.certificate) },
    user: { 'client-certificate-data': base64(keys.certificate), 'client-key-data': base64(keys.key) },
  };
}

/** A kubeconfig context that uses a token. */
export function tokenContext(cluster: ClusterFacts, token: string): KubeContextEntry {
  return {
    name: cluster.name,
    cluster: { server: cluster.url, 'certificate-authority-data': base64(cluster.ca.certificate) },
    user: { token },
  };
}

/** One context with a cluster and a user of its own. */
export interface KubeContextEntry {
  readonly name: string;
  readonly cluster: object;
  readonly user: object;
}

/** Writes a kubeconfig; the first context is the current one. */
export function writeKubeconfig(file: string, contexts: readonly KubeContextEntry[]): string {
  const config = {
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': contexts[0]?.name,
    contexts: contexts.map(({ name }) => ({ name, context: { cluster: name, user: name } })),
    clusters: contexts.map(({ name, cluster }) => ({ name, cluster })),
    users: contexts.map(({ name, user }) => ({ name, user })),
  };
  writeFileSync(file, stringify(config, { lineWidth: 0 }), { mode: 0o600 });
  return file;
}

/** The files that kube-apiserver is started with. */
class ClusterFiles {
  readonly #directory: string;

  constructor(directory: string) {
    this.#directory = directory;
    for (const folder of ['pki', 'etcd', 'audit', 'log']) mkdirSync(join(directory, folder), { recursive: true });
  }

  pki(name: string): string {
    return join(this.#directory, 'pki', name);
  }

  log(name: string): string {
    return join(this.#directory, 'log', `${name}.log`);
  }

  get etcdData(): string {
    return join(this.#directory, 'etcd');
  }

  get audit(): string {
    return join(this.#directory, 'audit', 'kube-audit.log');
  }

  async writeAll(ca: KeyPair): Promise<void> {
    this.#write('ca.crt', ca.certificate);
    this.#writePair(
      'apiserver',
      await createKeyPair(
        {
          commonName: 'kube-apiserver',
          dnsNames: ['localhost', 'kubernetes', 'kubernetes.default.svc'],
          ipAddresses: [LOOPBACK],
          usages: ['server'],
          notAfter: daysFromNow(2),
        },
        ca,
      ),
    );
    // A CA of its own: who may speak for the aggregation layer must be nobody's ordinary client certificate.
    const frontProxyCa = await createCa('front-proxy-ca');
    this.#writePair('front-proxy-ca', frontProxyCa);
    this.#writePair(
      'front-proxy',
      await createKeyPair(
        { commonName: 'front-proxy-client', usages: ['client'], notAfter: daysFromNow(2) },
        frontProxyCa,
      ),
    );
    const { privateKey, publicKey } = generateKeyPairSync('ec', {
      namedCurve: 'P-256',
      privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
      publicKeyEncoding: { type: 'spki', format: 'pem' },
    });
    this.#write('service-account.key', privateKey);
    this.#write('service-account.pub', publicKey);
    this.#write('audit-policy.yaml', stringify(AUDIT_POLICY));
  }

  #writePair(name: string, { certificate, key }: KeyPair): void {
    this.#write(`${name}.crt`, certificate);
    this.#write(`${name}.key`, key);
  }

  #write(name: string, text: string): void {
    writeFileSync(this.pki(name), text, { mode: 0o600 });
  }
}

function etcdFlags(files: ClusterFiles, clientPort: number, peerPort: number): string[] {
  const client = `http://${LOOPBACK}:${clientPort}`;
  const peer = `http://${LOOPBACK}:${peerPort}`;
  return [
    `--data-dir=${files.etcdData}`,
    `--listen-client-urls=${client}`,
    `--advertise-client-urls=${client}`,
    `--listen-peer-urls=${peer}`,
    `--initial-advertise-peer-urls=${peer}`,
    `--initial-cluster=default=${peer}`,
    // Nothing here has to survive the machine.
    '--unsafe-no-fsync',
  ];
}

function apiserverFlags(files: ClusterFiles, port: number, etcdPort: number): string[] {
  return [
    `--etcd-servers=http://${LOOPBACK}:${etcdPort}`,
    `--secure-port=${port}`,
    `--bind-address=${LOOPBACK}`,
    `--advertise-address=${LOOPBACK}`,
    // The machine's own, so that ServiceProxy can listen there.
    '--service-cluster-ip-range=127.96.0.0/16',
    `--tls-cert-file=${files.pki('apiserver.crt')}`,
    `--tls-private-key-file=${files.pki('apiserver.key')}`,
    `--client-ca-file=${files.pki('ca.crt')}`,
    '--service-account-issuer=https://kubernetes.default.svc',
    `--service-account-key-file=${files.pki('service-account.pub')}`,
    `--service-account-signing-key-file=${files.pki('service-account.key')}`,
    '--authorization-mode=RBAC',
    `--requestheader-client-ca-file=${files.pki('front-proxy-ca.crt')}`,
    '--requestheader-allowed-names=front-proxy-client',
    '--requestheader-username-headers=X-Remote-User',
    '--requestheader-group-headers=X-Remote-Group',
    '--requestheader-extra-headers-prefix=X-Remote-Extra-',
    `--proxy-client-cert-file=${files.pki('front-proxy.crt')}`,
    `--proxy-client-key-file=${files.pki('front-proxy.key')}`,
    `--audit-log-path=${files.audit}`,
    `--audit-policy-file=${files.pki('audit-policy.yaml')}`,
    '--endpoint-reconciler-type=none',
    // No controller makes the default ServiceAccounts it waits for.
    '--disable-admission-plugins=ServiceAccount',
  ];
}

async function createCa(commonName: string): Promise<KeyPair> {
  return await createKeyPair({ commonName, usages: [], ca: true, notAfter: daysFromNow(2) });
}

async function status(url: string, ca: KeyPair): Promise<number> {
  return await new Promise((resolve, reject) => {
    const sent = request(url, { ca: ca.certificate }, (response) => {
      response.resume();
      resolve(response.statusCode ?? 0);
    });
    sent.once('error', reject);
    sent.end();
  });
}

function base64(text: string): string {
  return Buffer.from(text).toString('base64');
}
