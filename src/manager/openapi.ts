import { type ApiGroup, type ApiPath, type ApiResource, groupVersion, type Schema } from './api-group.ts';

/** Documents of OpenAPI that say the same in two versions: kube-apiserver puts both together with its own. */
export type OpenApiVersion = 2 | 3;

const INFO = { title: 'kubectl-mcm', version: 'v1' };

/** The document of these groups: of all for version 2, of one for version 3. */
export function openApi(groups: readonly ApiGroup[], version: OpenApiVersion): object {
  const operations = groups.flatMap((group) => [
    ...listed(group).map((resource) => listOperation(group, resource)),
    ...group.paths.map((path) => getOperation(group, path)),
  ]);
  const paths = Object.fromEntries(operations.map((operation) => [operation.path, pathItem(operation, version)]));
  const schemas = Object.fromEntries(groups.flatMap((group) => schemasOf(group, version)));
  if (version === 2) return { swagger: '2.0', info: INFO, paths, definitions: schemas };
  return { openapi: '3.0.0', info: INFO, paths, components: { schemas } };
}

/** What is no list has a path of its own. */
function listed({ resources }: ApiGroup): readonly ApiResource[] {
  return resources.filter(({ verbs }) => verbs.includes('list'));
}

interface Operation {
  readonly path: string;
  readonly operationId: string;
  readonly putOperationId?: string;
  readonly description: string;
  readonly query: Readonly<Record<string, string>>;
  /** Name of the schema of its answer. */
  readonly schema: string;
  /** What Kubernetes' own programs look for. */
  readonly extensions: object;
}

function listOperation(group: ApiGroup, resource: ApiResource): Operation {
  const { name, kind, schema } = resource;
  return {
    path: `/apis/${groupVersion(group)}/${name}`,
    operationId: operationIdOf(group, `list${kind}`),
    description: schema.description ?? '',
    query: {},
    schema: schemaName(group, `${kind}List`),
    extensions: { 'x-kubernetes-action': 'list', 'x-kubernetes-group-version-kind': kindOf(group, kind) },
  };
}

function getOperation(group: ApiGroup, { path, operationId, putOperationId, ...rest }: ApiPath): Operation {
  return {
    description: rest.description,
    query: rest.query,
    path: `/apis/${groupVersion(group)}${path}`,
    operationId: operationIdOf(group, operationId),
    ...(putOperationId === undefined ? {} : { putOperationId: operationIdOf(group, putOperationId) }),
    schema: schemaName(group, operationId),
    extensions: {},
  };
}

function pathItem(operation: Operation, version: OpenApiVersion) {
  const { path, operationId, putOperationId, description, query, schema, extensions } = operation;
  const inPath = [...path.matchAll(/\{(\w+)\}/g)].map(([, name]) => ({ name, in: 'path', required: true }));
  const inQuery = Object.entries(query).map(([name, meaning]) => ({ name, in: 'query', description: meaning }));
  const string = version === 2 ? { type: 'string' } : { schema: { type: 'string' } };
  const parameters = [...inPath, ...inQuery].map((parameter) => ({ ...parameter, ...string }));
  const reference = { $ref: `${version === 2 ? '#/definitions' : '#/components/schemas'}/${schema}` };
  const content = version === 2 ? { schema: reference } : { content: { 'application/json': { schema: reference } } };
  const responses = { 200: { description: 'OK', ...content }, 401: { description: 'Unauthorized' } };
  const media = version === 2 ? { produces: ['application/json'] } : {};
  const get = { operationId, description, ...media, parameters, responses, ...extensions };
  if (putOperationId === undefined) return { get };
  const said = { operationId: putOperationId, description, responses };
  if (version === 3) return { get, put: { ...said, parameters, requestBody: { required: true, ...content } } };
  const body = { name: 'body', in: 'body', required: true, ...content };
  return { get, put: { ...said, ...media, consumes: ['application/json'], parameters: [...parameters, body] } };
}

function schemasOf(group: ApiGroup, version: OpenApiVersion): [string, object][] {
  const lists = listed(group).flatMap(({ kind, schema }): [string, object][] => {
    const name = schemaName(group, kind);
    const items = { $ref: `${version === 2 ? '#/definitions' : '#/components/schemas'}/${name}` };
    const list = objectSchema({ items: { type: 'array' } });
    return [
      [name, { ...objectSchema(schema.properties ?? {}), ...named(group, kind, schema.description) }],
      [
        schemaName(group, `${kind}List`),
        {
          ...list,
          properties: { ...list.properties, items: { type: 'array', items } },
          ...named(group, `${kind}List`, `A list of ${kind}.`),
        },
      ],
    ];
  });
  return [
    ...lists,
    ...group.paths.map(({ operationId, schema }): [string, object] => [schemaName(group, operationId), schema]),
  ];
}

function objectSchema(properties: Readonly<Record<string, Schema>>) {
  return {
    type: 'object',
    properties: {
      apiVersion: { type: 'string', description: 'The versioned schema of this object.' },
      kind: { type: 'string', description: 'What this object is.' },
      metadata: { type: 'object', description: "Standard object's metadata." },
      ...properties,
    },
  };
}

function named(group: ApiGroup, kind: string, description: string | undefined) {
  return { description, 'x-kubernetes-group-version-kind': [kindOf(group, kind)] };
}

function kindOf({ name, version }: ApiGroup, kind: string) {
  return { group: name, version, kind };
}

/** `io.kubectl-mcm.logs.v1.Manager`: the group's words the other way round, as Kubernetes names its own. */
function schemaName({ name, version }: ApiGroup, kind: string): string {
  return [...name.split('.').reverse(), version, kind].join('.');
}

/** `listManagerLogsKubectlMcmIoV1`, which must be the only one of its name in a cluster. */
function operationIdOf(group: ApiGroup, verb: string): string {
  const words = groupVersion(group).split(/[^a-z0-9]/);
  return verb + words.map((word) => word.charAt(0).toUpperCase() + word.slice(1)).join('');
}
