import assert from 'node:assert/strict';
import { it } from 'node:test';
import { isClusterName } from './managed-cluster.ts';

for (const name of ['a', 'prod-eu', '0', 'x'.repeat(63), 'a--b']) {
  it(`${name} is a cluster's name`, () => assert.equal(isClusterName(name), true));
}

for (const name of [
  '',
  'A',
  'prod.eu',
  'prod_eu',
  '-a',
  'a-',
  'x'.repeat(64),
  'cluster',
  'shared',
  'watch',
  'proxy',
  'namespaces',
  'a\n',
  '..',
  'é',
  '*',
]) {
  it(`${JSON.stringify(name)} is not`, () => assert.equal(isClusterName(name), false));
}
