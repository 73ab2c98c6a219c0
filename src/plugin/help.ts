import type { Command, FlagSpec, FlagSpecs } from './command.ts';
import { COMMAND_GROUPS } from './commands/index.ts';

const OPTIONS_HINT = 'Use "kubectl mcm options" for a list of global command-line options (applies to all commands).\n';

/** `kubectl mcm --help`. */
export function rootHelp(): string {
  const width = Math.max(...COMMAND_GROUPS.flatMap(({ commands }) => commands.map(({ words }) => words.length)));
  const groups = COMMAND_GROUPS.map(({ title, commands }) => {
    const lines = commands.map(({ words, summary }) => `  ${words.padEnd(width)}   ${summary}`);
    return `${title}:\n${lines.join('\n')}\n`;
  });
  return [
    'kubectl mcm manages many clusters that run Calico from one place.\n',
    ...groups,
    'Usage:\n  kubectl mcm COMMAND [flags] [options]\n',
    'Use "kubectl mcm COMMAND --help" for more information about a command.',
    OPTIONS_HINT,
  ].join('\n');
}

/** Help of a word that several commands begin with, as `kubectl mcm install --help`. */
export function groupHelp(words: string): string {
  const commands = COMMAND_GROUPS.flatMap((group) => group.commands).filter((entry) =>
    entry.words.startsWith(`${words} `),
  );
  const width = Math.max(...commands.map((entry) => entry.words.length));
  return [
    'Available Commands:',
    ...commands.map((entry) => `  ${entry.words.padEnd(width)}   ${entry.summary}`),
    '',
    `Usage:\n  kubectl mcm ${words} COMMAND [options]\n`,
    `Use "kubectl mcm ${words} COMMAND --help" for more information about a command.`,
    OPTIONS_HINT,
  ].join('\n');
}

/** `kubectl mcm COMMAND --help`, laid out like kubectl's. */
export function commandHelp(words: string, command: Command): string {
  const usage = ['kubectl mcm', words, ...command.args].join(' ');
  const options = optionsHelp(command.flags);
  return [
    `${command.description.trim()}\n`,
    `Examples:\n${indent(command.examples.trim())}\n`,
    ...(options === '' ? [] : [`Options:\n${options}\n`]),
    `Usage:\n  ${usage} [options]\n`,
    OPTIONS_HINT,
  ].join('\n');
}

/** The flags of a command, in order of name. */
export function optionsHelp(flags: FlagSpecs): string {
  return Object.entries(flags)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, spec]) => `    ${flagHead(name, spec)}:\n${indent(flagText(spec), '        ')}`)
    .join('\n\n');
}

function flagHead(name: string, { type, short, default: preset, value }: FlagSpec): string {
  const long = `--${name}${type === 'boolean' ? '' : `=${preset ?? value ?? 'VALUE'}`}`;
  return short === undefined ? long : `-${short}, ${long}`;
}

function flagText({ description, choices, required }: FlagSpec): string {
  return [
    description,
    choices === undefined ? '' : `One of: ${choices.join(', ')}.`,
    required === true ? 'Required.' : '',
  ]
    .filter((part) => part !== '')
    .join(' ');
}

function indent(text: string, by = '  '): string {
  return text.replace(/^(?=.)/gm, by);
}
