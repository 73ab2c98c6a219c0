import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { corednsPod, queryRecord } from './query-record.ts';

const TIME = '2026-08-20T10:15:00.123456789Z';
const POD = { namespace: 'kube-system', name: 'coredns-5dd5756b68-abcde' };
const QUERY =
  '[INFO] 10.244.0.5:37461 - 61241 "A IN api.example.com. udp 50 false 512" NOERROR qr,rd,ra 106 0.000123456s';

function recordOf(line: string): Readonly<Record<string, unknown>> | undefined {
  const record = queryRecord(TIME, line, POD);
  return record === undefined ? undefined : (JSON.parse(record) as Readonly<Record<string, unknown>>);
}

describe('queryRecord', () => {
  it('has the fields of a DNS log', () => {
    assert.deepEqual(recordOf(QUERY), {
      start_time: TIME,
      end_time: TIME,
      type: 'LOG',
      count: 1,
      client_ip: '10.244.0.5',
      client_name: '-',
      client_name_aggr: '-',
      client_namespace: '-',
      servers: [{ name: 'coredns-5dd5756b68-abcde', name_aggr: 'coredns-5dd5756b68-*', namespace: 'kube-system' }],
      qname: 'api.example.com',
      qclass: 'IN',
      qtype: 'A',
      rcode: 'NoError',
      rrsets: [],
      latency_count: 1,
      latency_mean: 123456,
      latency_max: 123456,
    });
  });

  for (const [what, line, fields] of [
    ['IPv6', QUERY.replace('10.244.0.5', '[fd00::5%eth0]'), { client_ip: 'fd00::5' }],
    ['the root', QUERY.replace('api.example.com.', '.'), { qname: '.' }],
    ['no prefix', QUERY.replace('[INFO] ', ''), { qname: 'api.example.com' }],
    ['NXDOMAIN', QUERY.replace('NOERROR', 'NXDOMAIN'), { rcode: 'NXDomain' }],
    ['another answer', QUERY.replace('NOERROR', 'BADVERS'), { rcode: 'BADVERS' }],
    ['no time at all', QUERY.replace('0.000123456s', '0s'), { latency_mean: 0 }],
    ['a long time', QUERY.replace('0.000123456s', '2.5s'), { latency_mean: 2_500_000_000 }],
    ['a name with what JSON escapes', QUERY.replace('api.', 'a\\"b.'), { qname: 'a\\"b.example.com' }],
  ] as const) {
    it(`reads a query with ${what}`, () => {
      const record = recordOf(line);
      for (const [name, value] of Object.entries(fields)) assert.equal(record?.[name], value);
    });
  }

  for (const line of [
    '.:53',
    '[INFO] plugin/reload: Running configuration SHA512 = 591cf328cccc12bc',
    '[ERROR] plugin/errors: 2 api.example.com. A: read udp 10.244.0.2:5353->10.0.0.1:53: i/o timeout',
    'CoreDNS-1.12.0',
    `${QUERY} and more`,
    `x ${QUERY}`,
    '',
  ]) {
    it(`makes nothing of "${line}"`, () => assert.equal(recordOf(line), undefined));
  }
});

describe('corednsPod', () => {
  it("knows a log of CoreDNS's container by its place, also rotated", () => {
    for (const name of ['0.log', '12.log', '0.log.20260820-101500', '0.log.20260820-101500.gz']) {
      assert.deepEqual(corednsPod(`/var/log/pods/kube-system_coredns-5dd5756b68-abcde_0a1b-2c/coredns/${name}`), POD);
    }
    assert.equal(corednsPod('/var/log/pods/store_cart-1_0a1b/cart/0.log'), undefined);
    assert.equal(corednsPod('/var/log/calico/dnslogs/dns.log'), undefined);
  });
});
