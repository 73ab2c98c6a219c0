import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { JsonFields } from './json-fields.ts';
import { policyString, readPolicyHit } from './policy-string.ts';

const written = (hit: object) => policyString(readPolicyHit(new JsonFields(hit, 'hit.')));

/** Each kind of policy, its rule 2 having allowed: a hit as Goldmane 3.32 sends it, and what flow logs say. */
const KINDS = [
  [1, { namespace: 'shop', name: 'default.web', tier: 'default' }, 'default|shop/default.web'],
  [2, { name: 'security.egress', tier: 'security' }, 'security|security.egress'],
  [3, { namespace: 'shop', name: 'default.web', tier: 'default' }, 'default|shop/default.staged:web'],
  [4, { name: 'security.egress', tier: 'security' }, 'security|security.staged:egress'],
  [5, { namespace: 'shop', name: 'web', tier: 'default' }, 'default|shop/staged:knp.default.web'],
  [6, { namespace: 'shop', name: 'web', tier: 'default' }, 'default|shop/knp.default.web'],
  [7, { name: 'web', tier: 'adminnetworkpolicy' }, 'adminnetworkpolicy|kanp.adminnetworkpolicy.web'],
  [
    8,
    { name: 'default', tier: 'baselineadminnetworkpolicy' },
    'baselineadminnetworkpolicy|kbanp.baselineadminnetworkpolicy.default',
  ],
  [9, { name: 'kns.shop' }, '__PROFILE__|__PROFILE__.kns.shop'],
  [11, { name: 'web', tier: 'kube-admin' }, 'kube-admin|kcnp.kube-admin.web'],
] as const;

describe('policyString', () => {
  for (const [kind, policy, expected] of KINDS) {
    it(`writes kind ${kind}`, () => {
      const hit = { kind, ...policy, action: 1, policy_index: 3, rule_index: 2 };
      assert.equal(written(hit), `3|${expected}|allow|2`);
    });

    it(`writes the end of a tier that kind ${kind} triggered`, () => {
      const tier = 'tier' in policy ? { tier: policy.tier } : {};
      const hit = { kind: 10, ...tier, action: 2, policy_index: 1, rule_index: -1, trigger: { kind, ...policy } };
      assert.equal(written(hit), `1|${expected}|deny|-1`);
    });
  }

  it('takes index, rule and action that are left out for 0, 0 and none', () => {
    assert.equal(written({ kind: 2, name: 'a', tier: 't' }), '0|t|t.a|-|0');
  });

  it('writes every action, and one it does not know as its number', () => {
    const actions = [1, 2, 3, 4].map((action) => written({ kind: 2, name: 'a', tier: 't', action }).split('|')[3]);
    assert.deepEqual(actions, ['allow', 'deny', 'pass', '4']);
  });

  it('writes the tier once, whether the name came with it or without', () => {
    assert.equal(written({ kind: 1, namespace: 'n', name: 'web', tier: 't', action: 1 }), '0|t|n/t.web|allow|0');
    assert.equal(written({ kind: 3, namespace: 'n', name: 'web', tier: 't', action: 1 }), '0|t|n/t.staged:web|allow|0');
    // A policy of Kubernetes has no tier in its name: what looks like one is the name.
    assert.equal(
      written({ kind: 6, namespace: 'n', name: 'default.web', tier: 'default', action: 1 }),
      '0|default|n/knp.default.default.web|allow|0',
    );
  });

  it('says so where no policy is named', () => {
    assert.equal(written({ kind: 10, tier: 't', action: 2, rule_index: -1 }), '0|t|t.__NO_MATCH__|deny|-1');
    assert.equal(
      written({ kind: 10, action: 2, rule_index: -1, trigger: { kind: 9 } }),
      '0|__PROFILE__|__PROFILE__.__NO_MATCH__|deny|-1',
    );
  });

  it('keeps a kind it does not know as its number', () => {
    const policy = { namespace: 'shop', name: 'web', tier: 'default', action: 1 };
    assert.equal(written({ kind: 12, ...policy }), '0|default|12:shop/web|allow|0');
    assert.equal(written({ ...policy }), '0|default|0:shop/web|allow|0');
    assert.equal(
      written({ kind: 10, tier: 'default', action: 2, rule_index: -1, trigger: { kind: 12, name: 'web' } }),
      '0|default|12:web|deny|-1',
    );
  });

  it('takes an unknown rule', () => {
    assert.equal(written({ kind: 2, name: 'a', tier: 't', action: 1, rule_index: -2 }), '0|t|t.a|allow|-2');
  });

  it('refuses what would read as other columns', () => {
    assert.throws(() => written({ kind: 2, name: 'a|allow|1', tier: 't' }), { message: 'hit has a | in its name' });
    assert.throws(() => written({ kind: 10, trigger: { kind: 2, tier: 'a|b' } }), /^Error: hit\.trigger has a \|/);
  });

  for (const [member, value] of [
    ['kind', -1],
    ['kind', 2 ** 31],
    ['kind', '1'],
    ['action', 1.5],
    ['policy_index', -1],
    ['rule_index', -3],
    ['rule_index', 1e7],
    ['name', 7],
    ['tier', ['t']],
    ['trigger', 'none'],
  ] as const) {
    it(`refuses ${member} ${JSON.stringify(value)}`, () => {
      assert.throws(() => written({ kind: 10, [member]: value }), new RegExp(`^Error: hit\\.${member} is`));
    });
  }
});
