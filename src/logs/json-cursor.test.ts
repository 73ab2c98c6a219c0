import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { JsonCursor } from './json-cursor.ts';

/** The members of an object by their keys, each as it is written. */
function membersOf(text: string): Record<string, string> {
  const cursor = new JsonCursor(text);
  const members: Record<string, string> = {};
  cursor.object((key) => {
    members[key] = cursor.value();
  });
  cursor.end();
  return members;
}

function elementsOf(text: string): string[] {
  const cursor = new JsonCursor(text);
  const elements: string[] = [];
  cursor.array(() => elements.push(cursor.value()));
  cursor.end();
  return elements;
}

describe('JsonCursor', () => {
  it('finds values whatever is in their strings', () => {
    for (const value of [
      ...['0', '-1.50e3', 'true', 'null', '""', '"\\\\"', '"a\\"b"', '"],\\"x\\":{"', '{}', '[]', '[[],{}]'],
      ...['{"a":{"b":["}","\\\\\\"]"]}}', '"\\u0022"', '"ä€😀"', '{"//":"/*"}'],
    ]) {
      assert.deepEqual(elementsOf(`[${value}]`), [value]);
      assert.deepEqual(elementsOf(`[${value},1,${value}]`), [value, '1', value]);
      assert.deepEqual(membersOf(`{"a":${value},"b":${value}}`), { a: value, b: value });
    }
    assert.deepEqual([membersOf('{}'), elementsOf('[]')], [{}, []]);
  });

  it('leaves out what stands between the tokens of a value', () => {
    assert.deepEqual(elementsOf('[ {\n "a" : [1, " 2 "]\t},3 ]'), ['{"a":[1," 2 "]}', '3']);
  });

  for (const text of [
    ...['', '{', '[', '[1', '[1,', '{"a"', '{"a":', '{"a":1', '["a', '["a\\', '["\\"]', '[{]', '[1}', '{"a":1]'],
    ...['[1]]', '{"a":1}x', '[/* */1]', '[1//\n]', '1', '"a"'],
  ]) {
    it(`takes ${JSON.stringify(text)} for no array`, () => assert.throws(() => elementsOf(text), SyntaxError));
    it(`takes ${JSON.stringify(text)} for no object`, () => assert.throws(() => membersOf(text), SyntaxError));
  }
});
