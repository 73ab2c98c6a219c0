import { COMMAND_GROUPS } from './commands/index.ts';
import { GLOBAL_FLAGS } from './global-flags.ts';
import { commandHelp, optionsHelp, rootHelp } from './help.ts';

/** docs/cli.md: what help says of every command, on one page. `npm run docs` writes it. */
export async function cliReference(): Promise<string> {
  const sections: string[] = [];
  for (const { words, load } of COMMAND_GROUPS.flatMap(({ commands }) => commands)) {
    const { command } = await load();
    sections.push(`## kubectl mcm ${words}\n\n${fenced(commandHelp(words, command))}`);
  }
  return [
    '# Commands',
    'Made from the commands themselves by `npm run docs`.',
    fenced(rootHelp()),
    ...sections,
    `## Options of every command\n\n${fenced(optionsHelp(GLOBAL_FLAGS))}`,
  ]
    .join('\n\n')
    .concat('\n');
}

function fenced(text: string): string {
  return `\`\`\`text\n${text.trim()}\n\`\`\``;
}
