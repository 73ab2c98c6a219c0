import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { JSON_TYPE, negotiate, TABLE_TYPE } from './media-type.ts';

const BOTH = [JSON_TYPE, TABLE_TYPE];

describe('what an Accept header takes', () => {
  for (const [accept, offered, answer] of [
    [undefined, BOTH, JSON_TYPE],
    ['', BOTH, JSON_TYPE],
    ['*/*', BOTH, JSON_TYPE],
    ['application/*', BOTH, JSON_TYPE],
    ['application/json;charset=utf-8', BOTH, JSON_TYPE],
    ['Application/JSON; pretty=1', BOTH, JSON_TYPE],
    // kubectl get
    [
      'application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json',
      BOTH,
      TABLE_TYPE,
    ],
    [
      'application/json;as=Table;v=v1;g=meta.k8s.io,application/json;as=Table;v=v1beta1;g=meta.k8s.io,application/json',
      [JSON_TYPE],
      JSON_TYPE,
    ],
    ['application/json;as=Table;g="meta.k8s.io";v="v1"', BOTH, TABLE_TYPE],
    ['application/json;as=Table;v=v1;g=meta.k8s.io', [JSON_TYPE], undefined],
    ['application/json;as=Table;v=v2;g=meta.k8s.io', BOTH, undefined],
    ['application/vnd.kubernetes.protobuf', BOTH, undefined],
    ['application/vnd.kubernetes.protobuf,application/json', BOTH, JSON_TYPE],
    ['application/yaml', BOTH, undefined],
    ['text/html,*/*;q=0.8', BOTH, JSON_TYPE],
    ['application/json;q=0.1,application/json;as=Table;v=v1;g=meta.k8s.io;q=0.9', BOTH, TABLE_TYPE],
    ['application/json;q=0', BOTH, undefined],
    ['application/json;q=x', BOTH, JSON_TYPE],
    [';;=,,/', BOTH, undefined],
  ] as const) {
    it(`${accept}: ${answer}`, () => {
      assert.equal(negotiate(accept, offered), answer);
    });
  }
});
