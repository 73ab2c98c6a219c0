import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { type ProxyEnvironment, proxyFor } from './proxy-env.ts';

const PROXY = { HTTPS_PROXY: 'http://proxy:3128' };

function goesDirectly(NO_PROXY: string, host: string, port = 443): boolean {
  return proxyFor(host, port, { ...PROXY, NO_PROXY }) === undefined;
}

describe('the proxy', () => {
  it('is what HTTPS_PROXY says, in either spelling, with http where it does not say how', () => {
    const hrefOf = (env: ProxyEnvironment) => proxyFor('mgmt.example.com', 9449, env)?.href;
    assert.equal(hrefOf({}), undefined);
    assert.equal(hrefOf({ HTTPS_PROXY: '', https_proxy: '' }), undefined);
    assert.equal(hrefOf({ HTTP_PROXY: 'http://other:1' }), undefined);
    assert.equal(hrefOf({ https_proxy: 'http://proxy:3128' }), 'http://proxy:3128/');
    assert.equal(hrefOf({ HTTPS_PROXY: 'http://upper:1', https_proxy: 'http://lower:1' }), 'http://upper:1/');
    assert.equal(hrefOf({ HTTPS_PROXY: 'proxy:3128' }), 'http://proxy:3128/');
    assert.equal(hrefOf({ HTTPS_PROXY: 'user:secret@10.0.0.1:3128' }), 'http://user:secret@10.0.0.1:3128/');
    assert.equal(hrefOf({ HTTPS_PROXY: 'https://proxy' }), 'https://proxy/');
  });

  it('is never asked for this machine', () => {
    for (const host of ['localhost', '127.0.0.1', '127.1.2.3', '::1']) {
      assert.equal(proxyFor(host, 443, PROXY), undefined, host);
    }
    assert.notEqual(proxyFor('127.example.com', 443, PROXY), undefined);
  });

  it('that is none is said so, without its password', () => {
    for (const url of ['socks5://user:secret@proxy:1', 'http://user:secret@', 'ftp://user:secret@proxy']) {
      assert.throws(
        () => proxyFor('mgmt.example.com', 443, { HTTPS_PROXY: url }),
        ({ message }: Error) => /HTTPS_PROXY is not the URL/.test(message) && !message.includes('secret'),
      );
    }
  });
});

describe('NO_PROXY', () => {
  for (const [entries, direct, proxied] of [
    ['*', ['mgmt.example.com', '10.0.0.1', 'fd00::1'], []],
    ['example.com', ['example.com', 'mgmt.example.com', 'MGMT.Example.COM'], ['badexample.com', 'example.org']],
    ['.example.com', ['mgmt.example.com', 'a.b.example.com'], ['example.com', 'badexample.com']],
    ['*.example.com', ['mgmt.example.com'], ['example.com', 'badexample.com']],
    ['*example.com', [], ['mgmt.example.com', 'badexample.com']],
    ['EXAMPLE.com', ['mgmt.example.com'], []],
    ['10.0.0.1', ['10.0.0.1'], ['10.0.0.10', '10.0.0.2']],
    ['10.0.0.0/8', ['10.1.2.3'], ['11.0.0.1', 'ten.example.com']],
    ['fd00::/8,10.0.0.0/8', ['fd12::3', '10.1.1.1'], ['fe80::1']],
    ['[fd00::1]', ['fd00::1'], ['fd00::2']],
    ['10.0.0.0/33, 10.0.0.0/x, /8', [], ['10.0.0.1']],
    [' a.org , ,b.org,', ['a.org', 'x.b.org'], ['c.org']],
    ['a.org b.org', [], ['a.org', 'b.org']],
    ['', [], ['a.org']],
  ] as const) {
    it(`"${entries}"`, () => {
      for (const host of direct) assert.equal(goesDirectly(entries, host), true, host);
      for (const host of proxied) assert.equal(goesDirectly(entries, host), false, host);
    });
  }

  it('may name a port', () => {
    for (const [entry, host] of [
      ['example.com:9449', 'mgmt.example.com'],
      ['10.0.0.1:9449', '10.0.0.1'],
      ['[fd00::1]:9449', 'fd00::1'],
    ] as const) {
      assert.equal(goesDirectly(entry, host, 9449), true, entry);
      assert.equal(goesDirectly(entry, host, 443), false, entry);
    }
    assert.equal(goesDirectly(':9449', 'example.com', 9449), false);
  });
});
