import type { KubeObject } from '../../src/kube/objects.ts';

/** An OpenAPI v3 schema, as CustomResourceDefinitions have it. */
export type Schema = Readonly<Record<string, unknown>>;

export const STRING: Schema = { type: 'string' };
/** Whatever is in it is kept. */
export const ANYTHING: Schema = { type: 'object', 'x-kubernetes-preserve-unknown-fields': true };

/** One kind of somebody else's API, cluster-scoped as all of those are that we have to do with. */
export interface Kind {
  /** `operator.tigera.io/v1` */
  readonly apiVersion: string;
  readonly kind: string;
  readonly plural: string;
  readonly spec: Schema;
  /** Of the whole object: `x-kubernetes-validations`. */
  readonly validations?: readonly object[];
}

/** The CustomResourceDefinition of a kind, whose status is whatever its owner writes there. */
export function definition({ apiVersion, kind, plural, spec, validations }: Kind): KubeObject {
  const [group = '', version = ''] = apiVersion.split('/');
  const openAPIV3Schema = {
    type: 'object',
    ...(validations === undefined ? {} : { 'x-kubernetes-validations': validations }),
    properties: { apiVersion: STRING, kind: STRING, metadata: { type: 'object' }, spec, status: ANYTHING },
  };
  return {
    apiVersion: 'apiextensions.k8s.io/v1',
    kind: 'CustomResourceDefinition',
    metadata: { name: `${plural}.${group}` },
    spec: {
      group,
      scope: 'Cluster',
      names: { kind, listKind: `${kind}List`, plural, singular: kind.toLowerCase() },
      versions: [
        { name: version, served: true, storage: true, subresources: { status: {} }, schema: { openAPIV3Schema } },
      ],
    },
  } as KubeObject;
}
