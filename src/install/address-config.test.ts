import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { CHANGE_ANNOTATIONS, readAddressConfig } from './address-config.ts';

const read = (annotations?: Readonly<Record<string, string>>, data?: Readonly<Record<string, string>>) => {
  const metadata = { name: 'management-address', ...(annotations === undefined ? {} : { annotations }) };
  return readAddressConfig({ apiVersion: 'v1', kind: 'ConfigMap', metadata, ...(data === undefined ? {} : { data }) });
};

describe('what the ConfigMap says of the address', () => {
  it('is nothing of a change where nothing stands there', () => {
    const { seconds, ...rest } = read();
    assert.deepEqual(Object.values(rest), Array(5).fill(undefined));
    assert.equal(seconds, 300);
  });

  it('has a time within bounds, whatever stands there', () => {
    for (const [text, seconds] of [
      ['60', 60],
      ['1', 5],
      ['999999', 3600],
      ['-7', 300],
      ['1e3', 300],
      ['', 300],
      ['99999999999999999999', 300],
    ] as const) {
      assert.equal(read({ [CHANGE_ANNOTATIONS.seconds]: text }).seconds, seconds, text);
    }
  });

  it('has moments, or none where what stands there is none', () => {
    const restoresAt = '2026-11-22T18:04:11.123Z';
    const { restoresAt: at, restoredAt } = read({
      [CHANGE_ANNOTATIONS.restoresAt]: restoresAt,
      [CHANGE_ANNOTATIONS.restoredAt]: 'yesterday',
    });
    assert.deepEqual([at, restoredAt], [Date.parse(restoresAt), undefined]);
  });
});
