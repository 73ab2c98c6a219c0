import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { suggestions } from './suggestions.ts';

const COMMANDS = ['install management', 'add-cluster', 'clusters', 'logs', 'manager', 'agent'];

describe('suggestions', () => {
  for (const [word, meant] of [
    ['log', ['logs']],
    ['lgos', ['logs']],
    ['Logs', ['logs']],
    ['cluster', ['clusters']],
    ['c', ['clusters']],
    ['manger', ['manager']],
    ['addcluster', ['add-cluster']],
    ['a', ['agent', 'add-cluster']],
    ['instal', ['install management']],
    ['install managment', ['install management']],
    ['frobnicate', []],
    ['logbook', []],
  ] as const) {
    it(`for ${word}`, () => assert.deepEqual(suggestions(word, COMMANDS), meant));
  }
});
