/**
 * Something the user can mend: a wrong flag, a missing file, a server that says no.
 * The command line prints `message` (and `hint`, what to do about it) as they stand, without a stack; every other
 * error that reaches it is a bug of ours and is printed as one.
 */
export class UserError extends Error {
  override readonly name: string = 'UserError';
  readonly hint: string | undefined;
  /** The command's, where it says something. */
  readonly exitCode: number;

  constructor(
    message: string,
    options: { readonly hint?: string | undefined; readonly cause?: unknown; readonly exitCode?: number } = {},
  ) {
    super(message, { cause: options.cause });
    this.hint = options.hint;
    this.exitCode = options.exitCode ?? 1;
  }
}

/** What the system says of a failed call, in the words of Go's and the shell's programs. */
const SYSTEM_WORDS: Readonly<Record<string, string>> = {
  EACCES: 'permission denied',
  EEXIST: 'file exists',
  EISDIR: 'is a directory',
  EMFILE: 'too many open files',
  ENOENT: 'no such file or directory',
  ENOSPC: 'no space left on device',
  ENOTDIR: 'not a directory',
  EPERM: 'operation not permitted',
  EROFS: 'read-only file system',
};

/** The sentence to show for anything that was thrown. */
export function messageOf(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.map(messageOf).join('; ');
  if (!(error instanceof Error)) return String(error);
  const { code = '', syscall, path } = error as NodeJS.ErrnoException;
  const words = SYSTEM_WORDS[code];
  if (words === undefined || syscall === undefined) return error.message;
  return path === undefined ? `${syscall}: ${words}` : `${syscall} ${path}: ${words}`;
}

/** The system's error code (`ENOENT`, `ECONNREFUSED`), looked for in causes and aggregates too. */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  if ('code' in error && typeof error.code === 'string') return error.code;
  if (error instanceof AggregateError) return codeOf(error.errors[0]);
  return codeOf(error.cause);
}

/** What is wrong with one file that the reader knows the path of: `no such file or directory`. */
export function systemWords(error: unknown): string {
  return SYSTEM_WORDS[codeOf(error) ?? ''] ?? messageOf(error);
}
