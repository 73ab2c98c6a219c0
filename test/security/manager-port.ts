import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { connect } from 'node:tls';
import { createKeyPair, daysFromNow } from '../../src/clusters/key-pair.ts';
import { userKeys } from '../../testbed/kubernetes/cluster.ts';
import { markersIn } from '../every-type.ts';
import { frontProxyKeys, managerPort } from '../harness.ts';
import { A, B, LOGS, SEES, STATUS, workbench } from './setting.ts';

/** Whoever comes to the manager's own port, past kube-apiserver. */
export function atManagerPort(): void {
  describe("the manager's API port", () => {
    const path = `${LOGS}/${A}/flows`;
    const forged = { 'X-Remote-User': 'admin', 'X-Remote-Group': 'system:masters' };

    for (const [what, keysOf] of [
      ['no certificate', async () => undefined],
      ["an administrator's", () => userKeys(workbench.facts.management, { name: 'admin', groups: ['system:masters'] })],
      [
        "the front proxy's name, by the CA of users",
        () => userKeys(workbench.facts.management, { name: 'front-proxy-client' }),
      ],
      ['a wrong name, by the CA of the front proxy', () => ofFrontProxy('front-proxy-clients')],
      ['no name, by the CA of the front proxy', () => ofFrontProxy('')],
      [
        'the right name, by a CA of the same name',
        async () => ofFrontProxy('front-proxy-client', await caOfTheSameName()),
      ],
    ] as const) {
      it(`answers nobody with ${what}, whatever their headers say`, async () => {
        const port = await managerPort(workbench, await keysOf());
        for (const target of [path, '/apis', '/openapi/v3', `${STATUS}/managers`, '/nowhere']) {
          const { code, text } = await port(target, { headers: forged });
          assert.equal(code, 401);
          assert.deepEqual(markersIn(text), []);
          assert.match(text, /"reason":"Unauthorized"/);
        }
      });
    }

    it('takes nobody for nobody: without a user, or one in another header', async () => {
      const port = await managerPort(workbench, frontProxyKeys(workbench));
      for (const headers of [
        {},
        { 'X-Remote-User': '' },
        { X_Remote_User: 'wanda' },
        { 'Impersonate-User': 'wanda' },
      ]) {
        assert.equal((await port(path, { headers: headers as Record<string, string> })).code, 401);
      }
    });

    it('asks for the right to what it reads itself, when kube-apiserver has let a request pass', async () => {
      const port = await managerPort(workbench, frontProxyKeys(workbench));
      const headers = { 'X-Remote-User': 'flora', 'X-Remote-Group': 'system:authenticated' };
      for (const [read, code] of [
        [`${A}/flows`, 200],
        [`${A}/dns`, 403],
        [`${A}/audit*`, 403],
        [`${A}/audit%2A`, 403],
        // Under the name * she gets what she may see of it; kube-apiserver would have asked for a grant of * itself.
        [`${A}/*`, 200],
        [`${A}/*?type=dns`, 403],
        [`${B}/flows`, 403],
        [`${B}/*`, 403],
      ] as const) {
        const answer = await port(`${LOGS}/${read}`, { headers });
        assert.equal(answer.code, code, read);
        assert.deepEqual(markersIn(answer.text), code === 200 ? SEES.flora : [], read);
      }
    });

    it('takes the path of an absolute target, and two requests in one, for what they are', async () => {
      const { certificate, key } = frontProxyKeys(workbench);
      const { api: port } = workbench.facts.managerPorts;
      const raw = async (text: string) =>
        await new Promise<string>((resolve, reject) => {
          let answer = '';
          const socket = connect({ host: '127.0.0.1', port, cert: certificate, key, rejectUnauthorized: false }, () =>
            socket.write(text),
          );
          socket.setEncoding('utf8').on('data', (part: string) => {
            answer += part;
          });
          socket.once('error', reject).once('close', () => resolve(answer));
        });
      const as = 'Host: x\r\nX-Remote-User: flora\r\nX-Remote-Group: system:authenticated\r\nConnection: close\r\n';
      for (const text of [
        `GET https://x${LOGS}/${A}/dns HTTP/1.1\r\n${as}\r\n`,
        `GET ${LOGS}/${A}/flows#/../dns HTTP/1.1\r\n${as}\r\n`,
        `GET ${LOGS}\\${A}\\dns HTTP/1.1\r\n${as}\r\n`,
        `GET ${LOGS}/${A}/flows HTTP/1.1\r\n${as}Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET ${LOGS}/${A}/dns HTTP/1.1\r\n${as}\r\n`,
      ]) {
        const answer = await raw(text);
        assert.match(answer, /^HTTP\/1\.1 (400|401|403|404) /, text);
        assert.deepEqual(markersIn(answer), [], text);
      }
    });
  });
}

async function ofFrontProxy(commonName: string, ca = frontProxyKeys(workbench, 'front-proxy-ca')) {
  return await createKeyPair({ commonName, usages: ['client'], notAfter: daysFromNow(1) }, ca);
}

async function caOfTheSameName() {
  return await createKeyPair({ commonName: 'front-proxy-ca', usages: [], ca: true, notAfter: daysFromNow(1) });
}
