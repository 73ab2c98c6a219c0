import type { KubeObject } from '../../src/kube/objects.ts';

const text = { type: 'string' } as const;
const texts = { type: 'array', items: text } as const;
const port = { anyOf: [{ type: 'integer' }, { type: 'string' }], 'x-kubernetes-int-or-string': true } as const;
const ports = { type: 'array', items: port } as const;

const entity = {
  type: 'object',
  properties: {
    nets: texts,
    notNets: texts,
    selector: text,
    notSelector: text,
    namespaceSelector: text,
    ports,
    notPorts: ports,
    services: { type: 'object', properties: { name: text, namespace: text } },
    serviceAccounts: { type: 'object', properties: { names: texts, selector: text } },
  },
} as const;

const rules = {
  type: 'array',
  items: {
    type: 'object',
    required: ['action'],
    properties: {
      action: { type: 'string', enum: ['Allow', 'Deny', 'Log', 'Pass'] },
      ipVersion: { type: 'integer' },
      protocol: port,
      notProtocol: port,
      source: entity,
      destination: entity,
    },
  },
} as const;

/** Calico's NetworkPolicy and the operator's Installation, as far as we have to do with them, by the reference documentation. */
export const CALICO_POLICY_RESOURCES: readonly KubeObject[] = [
  definition('projectcalico.org', 'v3', 'NetworkPolicy', 'networkpolicies', 'Namespaced', {
    tier: text,
    order: { type: 'number' },
    selector: text,
    serviceAccountSelector: text,
    types: { type: 'array', items: { type: 'string', enum: ['Ingress', 'Egress'] } },
    ingress: rules,
    egress: rules,
  }),
  definition('operator.tigera.io', 'v1', 'Installation', 'installations', 'Cluster', {
    variant: text,
    cni: { type: 'object', properties: { type: text } },
  }),
];

function definition(
  group: string,
  version: string,
  kind: string,
  plural: string,
  scope: 'Namespaced' | 'Cluster',
  spec: object,
): KubeObject {
  const names = { kind, listKind: `${kind}List`, plural, singular: kind.toLowerCase() };
  const properties = {
    apiVersion: text,
    kind: text,
    metadata: { type: 'object' },
    spec: { type: 'object', properties: spec },
  };
  const schema = { openAPIV3Schema: { type: 'object', properties } };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: { group, scope, names, versions: [{ name: version, served: true, storage: true, schema }] },
  } as KubeObject;
}
