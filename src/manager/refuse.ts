import type { Status } from '../kube/status.ts';
import type { Answer } from './aggregated-api.ts';

/** The answer that says so, under the Status' own code. */
export function refuse(status: Status): Answer {
  return { code: status.code, body: status };
}
