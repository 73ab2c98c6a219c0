/** A schema of OpenAPI 3, as far as it says something here. */
export interface Schema {
  readonly description?: string;
  readonly type?: 'object' | 'array' | 'string' | 'integer' | 'boolean';
  readonly format?: string;
  readonly items?: Schema;
  readonly properties?: Readonly<Record<string, Schema>>;
  /** Kubernetes' word for objects that have more members than are told. */
  readonly 'x-kubernetes-preserve-unknown-fields'?: true;
}

/** A resource as discovery names it. */
export interface ApiResource {
  /** The last part of its path. */
  readonly name: string;
  readonly singularName: string;
  /** Of its items; the list's has `List` behind it. */
  readonly kind: string;
  readonly verbs: readonly string[];
  readonly schema: Schema;
}

/** Something that can be got in a group and is no resource of its own, for its OpenAPI document. */
export interface ApiPath {
  /** Below the group's version, with a slash at its beginning and parameters in braces. */
  readonly path: string;
  readonly operationId: string;
  /** Of the PUT that takes what a GET gives, where there is one. */
  readonly putOperationId?: string;
  readonly description: string;
  /** In the query string; those in the path are known from it. */
  readonly query: Readonly<Record<string, string>>;
  readonly schema: Schema;
}

/**
 * An API group with its one version, as discovery and OpenAPI tell of it: the same to everybody, so it names nothing
 * that is not everybody's business.
 */
export interface ApiGroup {
  readonly name: string;
  readonly version: string;
  readonly resources: readonly ApiResource[];
  readonly paths: readonly ApiPath[];
}

/** `lma.tigera.io/v1` */
export function groupVersion({ name, version }: ApiGroup): string {
  return `${name}/${version}`;
}
