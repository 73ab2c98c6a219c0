import type { UploadAnswer } from '../ingest/upload.ts';

/**
 * Reads what the manager says that became of so many records.
 * @throws Error for an answer that does not account for every one of them: it acknowledges none.
 */
export function readUploadAnswer(text: string, records: number): UploadAnswer {
  let answer: Partial<UploadAnswer> | null;
  try {
    answer = JSON.parse(text) as Partial<UploadAnswer> | null;
  } catch {
    throw new Error("the manager's answer cannot be read");
  }
  const { accepted = 0, known = 0, setAside = 0, reasons = [] } = answer ?? {};
  if (![accepted, known, setAside].every(isCount) || !Array.isArray(reasons) || !reasons.every(isReason)) {
    throw new Error("the manager's answer is none to an upload");
  }
  if (accepted + setAside !== records) {
    throw new Error(`the manager acknowledged ${accepted + setAside} of ${records} records`);
  }
  return { accepted, known, setAside, reasons };
}

function isCount(value: unknown): boolean {
  return Number.isSafeInteger(value) && Number(value) >= 0;
}

function isReason(value: unknown): boolean {
  const { offset, reason } = (value ?? {}) as { readonly offset?: unknown; readonly reason?: unknown };
  return typeof offset === 'number' && typeof reason === 'string';
}
