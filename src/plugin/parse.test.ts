import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { defineCommand } from './command.ts';
import { parseLine, splitCommand } from './parse.ts';

const command = defineCommand({
  args: ['NAME'],
  description: '',
  examples: '',
  flags: {
    flow: { type: 'strings', description: '' },
    output: { type: 'string', short: 'o', choices: ['json', 'yaml'], description: '' },
    tail: { type: 'string', default: '100', description: '' },
    'no-headers': { type: 'boolean', description: '' },
  },
  run: async () => 0,
});

function parse(...tokens: string[]) {
  return parseLine('test', command, tokens);
}

describe('parseLine', () => {
  it('reads flags in every form, before and after arguments', () => {
    const { args, flags } = parse('--flow', 'a', 'name', '--flow=b', '-o', 'json', '--no-headers');
    assert.deepEqual(args, ['name']);
    assert.deepEqual(flags, { flow: ['a', 'b'], output: 'json', tail: '100', 'no-headers': true });
  });

  it('takes what stands in brackets or leaves it out', () => {
    const optional = { ...command, args: ['[NAME]'] } as const;
    assert.deepEqual(parseLine('test', optional, []).args, []);
    assert.deepEqual(parseLine('test', optional, ['a']).args, ['a']);
    assert.throws(() => parseLine('test', optional, ['a', 'b']), /unexpected argument "b"/);
  });

  it('takes flags of a command for its own where a global one has the name', () => {
    const own = { ...command, flags: { user: { type: 'strings', description: '' } } } as const;
    const { flags, global } = parseLine('test', own, ['n', '--user', 'jane', '--kube-user', 'admin']);
    assert.deepEqual([flags.user, global.kube.user], [['jane'], 'admin']);
    assert.equal(parse('n', '--user', 'jane').global.kube.user, 'jane');
  });

  it('takes the last of a flag that is given once', () => {
    assert.equal(parse('n', '--tail', '5', '--tail', '6').flags.tail, '6');
    assert.equal(parse('n', '-o=yaml').flags.output, 'yaml');
    assert.equal(parse('n', '--no-headers', '--no-headers').flags['no-headers'], true);
  });

  it('does not take an argument for the next value of a flag', () => {
    assert.deepEqual(parse('--flow', 'a', 'name').args, ['name']);
  });

  it('reads flags as pflag does', () => {
    assert.equal(parse('n', '-ojson').flags.output, 'json');
    assert.equal(parse('n', '-o', 'json', '-v6').global.verbosity, 6);
    assert.equal(parse('n', '--tail', '-5').flags.tail, '-5');
    assert.equal(parse('n', '--no-headers=false').flags['no-headers'], false);
    assert.deepEqual(parse('--no-headers', 'true').args, ['true'], 'a boolean takes no word');
    assert.deepEqual(parse('--', '--tail').args, ['--tail']);
  });

  it('keeps numbers as they are written', () => {
    const { args, flags } = parse('007', '--tail', '1e3');
    assert.deepEqual([args, flags.tail], [['007'], '1e3']);
  });

  it('reads the global flags', () => {
    const { global } = parse(
      'n',
      '--context',
      'c',
      '--as',
      'jane',
      '--as-group',
      'a',
      '--as-group',
      'b',
      '--request-timeout',
      '5',
      '-v',
      '6',
    );
    assert.deepEqual(
      [global.kube.context, global.kube.as, global.kube.asGroups, global.requestTimeout, global.verbosity],
      ['c', 'jane', ['a', 'b'], 5000, 6],
    );
    assert.equal(global.kube.insecureSkipTlsVerify, undefined, 'not given is not false');
  });

  it('sees a call for help whatever else is wrong', () => {
    assert.equal(parse('--help').help, true);
    assert.equal(parse('-h', '-o', 'xml').help, true);
  });

  for (const [tokens, message] of [
    [['n', '--nope'], /unknown flag: --nope/],
    [['n', '--noHeaders'], /unknown flag: --noHeaders/],
    [['n', '-z'], /unknown shorthand flag: 'z' in -z/],
    [['n', '-o', 'xml'], /invalid argument "xml" for "--output" flag/],
    [['n', '--tail'], /flag needs an argument: --tail/],
    [['n', '--flow='], /flag needs an argument: --flow/],
    [['n', '--no-headers=banana'], /invalid argument "banana" for "--no-headers" flag: strconv\.ParseBool/],
    [['n', '-oxml'], /invalid argument "xml" for "--output" flag/],
    [[], /exactly one NAME is required, got 0/],
    [['a', 'b'], /exactly one NAME is required, got 2/],
  ] as const) {
    it(`refuses ${tokens.join(' ')}`, () => assert.throws(() => parse(...tokens), message));
  }
});

describe('splitCommand', () => {
  const known = (words: string) => ['install', 'install management', 'logs'].includes(words);

  for (const [tokens, words, rest] of [
    [['logs', '--cluster', 'a'], 'logs', ['--cluster', 'a']],
    [['--context', 'logs', 'logs', '-o', 'json'], 'logs', ['--context', 'logs', '-o', 'json']],
    [
      ['--context=c', 'install', '-v', '6', 'management', '--address', 'x'],
      'install management',
      ['--context=c', '-v', '6', '--address', 'x'],
    ],
    [['--insecure-skip-tls-verify', 'logs'], 'logs', ['--insecure-skip-tls-verify']],
    [['-o', 'json', 'logs', '--tail', '5'], 'logs', ['-o', 'json', '--tail', '5']],
    [['-h', 'logs'], 'logs', ['-h']],
    [['nope', 'logs'], '', ['nope', 'logs']],
    [['install', 'nope'], 'install', ['nope']],
    [[], '', []],
  ] as const) {
    it(tokens.join(' '), () => assert.deepEqual(splitCommand(tokens, known), { words, rest }));
  }
});
