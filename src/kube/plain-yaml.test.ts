import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { parse } from 'yaml';
import { parseYaml, readPlainYaml } from './plain-yaml.ts';

/** As kubectl config, gcloud, aws and kubeadm write it. */
const KUBECONFIG = `apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSUMvakNDQWVhZ0F3SUJBZ0lCQURBTkJna3Foa2==
    server: https://10.1.2.3:6443
  name: kubernetes
contexts:
- context:
    cluster: kubernetes
    namespace: team-a
    user: kubernetes-admin
  name: kubernetes-admin@kubernetes
current-context: kubernetes-admin@kubernetes
kind: Config
preferences: {}
users:
- name: kubernetes-admin
  user:
    client-certificate-data: LS0tLS1CRUdJTiBDRVJUSUZJQ0FURS0tLS0tCk1JSURJVENDQWdtZ0F3SUJBZ0lJ
- name: cloud
  user:
    exec:
      apiVersion: client.authentication.k8s.io/v1beta1
      args:
      - --region
      - eu-central-1
      - "get-token"
      command: aws
      env: null
      provideClusterInfo: false
`;

describe('a kubeconfig', () => {
  it('as programs write it is read without a whole parser', () => {
    assert.deepEqual(readPlainYaml(KUBECONFIG), parse(KUBECONFIG));
  });

  for (const [what, text] of [
    ['a comment behind a value', 'a: b # c'],
    ['a flow', 'a: {b: c}'],
    ['a number', 'a: 1'],
    ['a word that older versions take for another', 'a: yes'],
    ['a name that is one', 'null: a'],
    ['a name twice', 'a: b\na: c'],
    ['text over several lines', 'a: b\n  c'],
    ['a block of text', 'a: |\n  b'],
    ['an anchor', 'a: &b c\nd: *b'],
    ['escapes', 'a: "\\u0041"'],
    ['two documents', 'a: b\n---\nc: d'],
    ['tabs', 'a:\n\tb: c'],
    ['other ends of lines', 'a: b\r\nc: d'],
    ['a list', '- a'],
    ['nothing', ''],
    ['a wrong indentation', 'a: b\n c: d'],
    ['words that objects have', 'a: toString\nb: __proto__'],
  ] as const) {
    it(`with ${what} is what a whole parser says`, () => {
      const outcome = (read: () => unknown) => {
        try {
          return [read()];
        } catch (error) {
          return String(error);
        }
      };
      assert.deepEqual(
        outcome(() => parseYaml(text)),
        outcome(() => parse(text)),
      );
    });
  }
});
