import { createHash } from 'node:crypto';
import { type ApiGroup, groupVersion } from './api-group.ts';
import { JSON_TYPE } from './media-type.ts';
import { openApi } from './openapi.ts';

/** A document in the forms that it can be asked for in: of what media type, and what it then is. */
export type Document = ReadonlyMap<string, object>;

/** Versions of the discovery of all groups at once; kube-apiserver asks for the newest that it knows. */
const AGGREGATED = ['v2', 'v2beta1'] as const;

/**
 * What is to be known of our groups beforehand: which there are (for API servers and kubectl, the old way and the new
 * one) and what is in them (OpenAPI). Made once, the same for everybody, found by the path byte by byte.
 */
export class Discovery {
  readonly #documents: ReadonlyMap<string, Document>;

  constructor(groups: readonly ApiGroup[]) {
    const openApi3 = new Map(groups.map((group) => [`apis/${groupVersion(group)}`, openApi([group], 3)] as const));
    this.#documents = new Map<string, Document>([
      ['/apis', new Map([[JSON_TYPE, groupList(groups)], ...aggregatedDiscovery(groups)])],
      ...groups.map(
        (group) => [`/apis/${group.name}`, json({ kind: 'APIGroup', apiVersion: 'v1', ...groupOf(group) })] as const,
      ),
      ...groups.map((group) => [`/apis/${groupVersion(group)}`, json(resourceList(group))] as const),
      ['/openapi/v2', json(openApi(groups, 2))],
      ['/openapi/v3', json(openApiIndex(openApi3))],
      ...[...openApi3].map(([path, document]) => [`/openapi/v3/${path}`, json(document)] as const),
    ]);
  }

  /** The document at a path; undefined for what is none of them. */
  find(path: string): Document | undefined {
    return this.#documents.get(path);
  }
}

function json(document: object): Document {
  return new Map([[JSON_TYPE, document]]);
}

function groupList(groups: readonly ApiGroup[]): object {
  return { kind: 'APIGroupList', apiVersion: 'v1', groups: groups.map(groupOf) };
}

function groupOf(group: ApiGroup) {
  const version = { groupVersion: groupVersion(group), version: group.version };
  return { name: group.name, versions: [version], preferredVersion: version };
}

function resourceList(group: ApiGroup): object {
  const resources = group.resources.map(({ schema: _schema, ...resource }) => ({ ...resource, namespaced: false }));
  return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: groupVersion(group), resources };
}

function aggregatedDiscovery(groups: readonly ApiGroup[]): [string, object][] {
  const items = groups.map((group) => ({
    metadata: { name: group.name },
    versions: [
      {
        version: group.version,
        freshness: 'Current',
        resources: group.resources.map(({ name, singularName, kind, verbs }) => ({
          resource: name,
          singularResource: singularName,
          responseKind: { group: group.name, version: group.version, kind },
          scope: 'Cluster',
          verbs,
        })),
      },
    ],
  }));
  return AGGREGATED.map((version) => [
    `${JSON_TYPE};g=apidiscovery.k8s.io;v=${version};as=APIGroupDiscoveryList`,
    { kind: 'APIGroupDiscoveryList', apiVersion: `apidiscovery.k8s.io/${version}`, metadata: {}, items },
  ]);
}

/** Says where each document is, and by a hash when it has changed. */
function openApiIndex(documents: ReadonlyMap<string, object>): object {
  const paths = [...documents].map(([path, document]) => {
    const hash = createHash('sha256').update(JSON.stringify(document)).digest('hex').toUpperCase();
    return [path, { serverRelativeURL: `/openapi/v3/${path}?hash=${hash}` }];
  });
  return { paths: Object.fromEntries(paths) };
}
