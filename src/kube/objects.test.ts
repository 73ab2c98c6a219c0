import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { collectionPath, objectPath } from './objects.ts';

function object(apiVersion: string, kind: string, namespace?: string) {
  return { apiVersion, kind, metadata: { name: 'one', ...(namespace === undefined ? {} : { namespace }) } };
}

describe('paths of objects', () => {
  for (const [given, path] of [
    [object('v1', 'Namespace'), '/api/v1/namespaces'],
    [object('v1', 'Secret', 'kubectl-mcm'), '/api/v1/namespaces/kubectl-mcm/secrets'],
    [object('apiregistration.k8s.io/v1', 'APIService'), '/apis/apiregistration.k8s.io/v1/apiservices'],
    [object('example.com/v1', 'Policy', 'a'), '/apis/example.com/v1/namespaces/a/policies'],
    [object('example.com/v1', 'Ingress'), '/apis/example.com/v1/ingresses'],
  ] as const) {
    it(path, () => {
      assert.equal(collectionPath(given), path);
      assert.equal(objectPath(given), `${path}/one`);
    });
  }
});
