import { UserError } from '../errors.ts';

/** What an API server answers instead of an object (metav1.Status), as far as we read it. */
export interface Status {
  readonly kind: 'Status';
  readonly apiVersion: 'v1';
  readonly metadata: Record<string, never>;
  readonly status: 'Failure' | 'Success';
  readonly message?: string;
  readonly reason?: string;
  readonly details?: {
    readonly name?: string;
    readonly group?: string;
    readonly kind?: string;
    readonly causes?: readonly { readonly field?: string; readonly message?: string; readonly reason?: string }[];
    readonly retryAfterSeconds?: number;
  };
  readonly code: number;
}

/** A failure Status, for servers of ours that speak Kubernetes. */
export function failure(
  code: number,
  reason: string,
  message: string,
  details?: NonNullable<Status['details']>,
): Status {
  const status = { kind: 'Status', apiVersion: 'v1', metadata: {}, status: 'Failure', message, reason, code } as const;
  return details === undefined ? status : { ...status, details };
}

/** An API server said no. `message` is the line kubectl prints for it. */
export class StatusError extends UserError {
  override readonly name = 'StatusError';
  readonly status: Status;

  constructor(status: Status, hint?: string) {
    super(kubectlWords(status), hint === undefined ? {} : { hint });
    this.status = status;
  }

  get code(): number {
    return this.status.code;
  }

  get reason(): string {
    return this.status.reason ?? 'Unknown';
  }

  /** The same answer with a sentence on what to do. */
  withHint(hint: string): StatusError {
    return new StatusError(this.status, hint);
  }
}

/** True for an answer with that code (404, 409 ...). */
export function isStatus(error: unknown, code: number): error is StatusError {
  return error instanceof StatusError && error.code === code;
}

/** What an API server answers at a path where it serves nothing; kubectl has other words for it. */
const NOT_FOUND = '404 page not found';

/** Reads an API server's error body, which is a Status unless a proxy in between answered. */
export function parseStatus(code: number, body: string): Status {
  try {
    const parsed: unknown = JSON.parse(body);
    if (typeof parsed === 'object' && parsed !== null && 'kind' in parsed && parsed.kind === 'Status') {
      return parsed as Status;
    }
  } catch {
    // Not JSON: a proxy's page, or plain text such as the aggregator's "service unavailable".
  }
  const text = body.trim();
  const message = text === NOT_FOUND ? 'the server could not find the requested resource' : text.slice(0, 500);
  return failure(code, reasonFor(code), message || `the server answered ${code}`);
}

function reasonFor(code: number): string {
  switch (code) {
    case 401:
      return 'Unauthorized';
    case 403:
      return 'Forbidden';
    case 404:
      return 'NotFound';
    case 429:
      return 'TooManyRequests';
    case 503:
      return 'ServiceUnavailable';
    default:
      return code >= 500 ? 'InternalError' : 'Unknown';
  }
}

/** kubectl's wording (k8s.io/kubectl/pkg/cmd/util, checkErr). */
function kubectlWords(status: Status): string {
  const message = status.message ?? '';
  if (status.reason === 'Unauthorized') {
    return `error: You must be logged in to the server (${message || 'Unauthorized'})`;
  }
  if (status.reason !== 'Invalid') return `Error from server (${status.reason ?? 'Unknown'}): ${message}`;
  const { kind, name, causes = [] } = status.details ?? {};
  if (kind === undefined && name === undefined) return `The request is invalid: ${message}`;
  const subject = `The ${kind ?? ''} "${name ?? ''}" is invalid`;
  const lines = causes.map(({ field, message: why }) => `${field ?? '<nil>'}: ${why ?? ''}`);
  if (lines.length === 0) return subject;
  return lines.length === 1
    ? `${subject}: ${lines[0]}`
    : `${subject}: \n${lines.map((line) => `* ${line}`).join('\n')}`;
}
