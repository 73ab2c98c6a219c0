import { closeSync, openSync, writeSync } from 'node:fs';
import { generateFlows } from '../../fixtures/generate-flows.ts';

/** What Felix leaves out where it is not configured; without it lines have 882 bytes on average. */
export const NOT_CONFIGURED = /,"http_requests_allowed_in":.*?"num_original_source_ips":0/;

/** A day and a half, in milliseconds. */
const SPAN = 36 * 3_600_000;

/** So many lines of flow logs that end between these moments, the same ones for the same moments. */
export function* flowLines(count: number, from: number, to: number): Generator<string, void, void> {
  for (const line of generateFlows({ seed: 1, count, from, to })) yield `${line.replace(NOT_CONFIGURED, '')}\n`;
}

/** Writes those of a day and a half into a new file. */
export function writeFlows(path: string, count: number, to: number): void {
  const file = openSync(path, 'w');
  let text = '';
  for (const line of flowLines(count, to - SPAN, to)) {
    text += line;
    if (text.length < 1_000_000) continue;
    writeSync(file, text);
    text = '';
  }
  writeSync(file, text);
  closeSync(file);
}

/** The same in so many parts, each line with a number, by which the sink tells them apart. */
export function numberedFlows(count: number, parts: number, to: number): readonly string[] {
  const texts = Array<string>(parts).fill('');
  let number = 0;
  for (const line of flowLines(count, to - SPAN, to)) {
    texts[Math.floor((number * parts) / count)] += `{"line":${number},${line.slice(1)}`;
    number++;
  }
  return texts;
}
