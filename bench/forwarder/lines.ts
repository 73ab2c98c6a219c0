import { closeSync, openSync, writeSync } from 'node:fs';
import { generateFlows } from '../../fixtures/generate-flows.ts';

/** What Felix leaves out where it is not configured; without it lines have 882 bytes on average. */
const NOT_CONFIGURED = /,"http_requests_allowed_in":.*?"num_original_source_ips":0/;

/** Writes so many lines of flow logs of the last day and a half, the same ones for the same moment. */
export function writeFlows(path: string, count: number, to: number): void {
  const file = openSync(path, 'w');
  let text = '';
  for (const line of generateFlows({ seed: 1, count, from: to - 36 * 3_600_000, to })) {
    text += `${line.replace(NOT_CONFIGURED, '')}\n`;
    if (text.length < 1_000_000) continue;
    writeSync(file, text);
    text = '';
  }
  writeSync(file, text);
  closeSync(file);
}
