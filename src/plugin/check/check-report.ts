import { plural, printable } from '../print.ts';
import { isUtf8 } from '../utf8.ts';
import type { Finding, Section } from './finding.ts';

type Marks = Readonly<Record<Finding['level'], string>>;

const SIGNS: Marks = { ok: '√', warning: '‼', error: '×', skipped: '-' };
const WORDS: Marks = { ok: 'OK  ', warning: 'WARN', error: 'FAIL', skipped: 'SKIP' };

/** Signs where a terminal shows them, else words. */
export function marksFor(isTerminal: boolean, env: NodeJS.ProcessEnv): Marks {
  return isTerminal && isUtf8(env) ? SIGNS : WORDS;
}

/** Every finding under its section, what is not well with its cause, what mends it, and its id. */
export function checkReport(sections: readonly Section[], marks: Marks): string {
  const parts = sections.map(({ title, findings }) => {
    const lines = findings.map((finding) => findingText(finding, marks));
    return `${title}\n${'-'.repeat(title.length)}\n${lines.join('')}`;
  });
  return `${parts.join('\n')}\n${sumOf(sections)}\n`;
}

function findingText({ id, level, message, cause, todo }: Finding, marks: Marks): string {
  const name = level === 'ok' ? '' : ` [${id}]`;
  const more = [
    ...(cause === undefined ? [] : [`why: ${printable(cause)}`]),
    ...(todo === undefined ? [] : [`to do: ${todo}`]),
  ];
  return [`${marks[level]} ${printable(message)}${name}`, ...more.map((line) => `     ${line}`)]
    .join('\n')
    .concat('\n');
}

function sumOf(sections: readonly Section[]): string {
  const count = (level: Finding['level']) =>
    sections.flatMap(({ findings }) => findings).filter((finding) => finding.level === level).length;
  const skipped = count('skipped') === 0 ? '' : `, ${count('skipped')} not checked`;
  if (count('error') + count('warning') === 0) return `Everything is in order${skipped}.`;
  return `${plural(count('error'), 'error')}, ${plural(count('warning'), 'warning')}${skipped}`;
}

/** 1 where something is wrong; warnings are not counted. */
export function exitCodeOf(sections: readonly Section[]): number {
  return sections.some(({ findings }) => findings.some(({ level }) => level === 'error')) ? 1 : 0;
}
