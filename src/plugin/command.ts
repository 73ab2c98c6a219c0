import type { Writable } from 'node:stream';
import type { KubeFlags } from '../kube/kubeconfig.ts';
import type { GroupWord } from '../logs/types/grouping.ts';

/** What a shell may offer for a value: things that have names, or words of the declaration's own. */
export type Completes = Thing | readonly string[];

/** Some have names that only the API server or the kubeconfig knows. */
export type Thing =
  | 'clusters'
  | 'contexts'
  | 'directories'
  | 'durations'
  | 'files'
  | 'kube-clusters'
  | 'kube-users'
  | 'log-types'
  | `logged-${GroupWord}`
  | 'managed-clusters'
  | 'queries'
  | 'times';

/** A flag as its command declares it; help, parsing and documentation are made from this. */
export interface FlagSpec {
  /** `strings` may be given several times. */
  readonly type: 'string' | 'strings' | 'boolean';
  readonly description: string;
  /** Stands for the value in help: `--address=HOST:PORT`. */
  readonly value?: string;
  /** One letter. */
  readonly short?: string;
  /** Another name for the same. */
  readonly alias?: string;
  /** Whether `--not` before it turns its meaning round. */
  readonly negatable?: boolean;
  /** The only values there are. */
  readonly choices?: readonly string[];
  /** What shells offer for it, where neither `choices` nor `value` says so. */
  readonly completes?: Completes;
  readonly default?: string;
  readonly required?: boolean;
}

export type FlagSpecs = Readonly<Record<string, FlagSpec>>;

type FlagValue<F extends FlagSpec> = F['type'] extends 'boolean'
  ? boolean
  : F['type'] extends 'strings'
    ? readonly string[]
    : F extends { readonly default: string } | { readonly required: true }
      ? string
      : string | undefined;

export type FlagValues<F extends FlagSpecs> = { readonly [K in keyof F]: FlagValue<F[K]> };

/** What a command needs of the world, handed in so that tests can hand in another. */
export interface Io {
  /** Data, and nothing else. */
  readonly out: Writable;
  /** Errors, warnings, progress, hints. */
  readonly err: Writable;
  readonly env: NodeJS.ProcessEnv;
  readonly now: () => number;
  /** Aborts when the process is asked to end, for commands that ask for it; others die by the signal. */
  readonly signal: AbortSignal;
}

/** The flags every command takes, parsed. */
export interface GlobalOptions {
  readonly kube: KubeFlags;
  /** Milliseconds; 0 for no timeout. */
  readonly requestTimeout: number;
  /** kubectl's -v. */
  readonly verbosity: number;
}

export interface Invocation<F extends FlagSpecs> {
  readonly args: readonly string[];
  readonly flags: FlagValues<F>;
  readonly global: GlobalOptions;
  readonly io: Io;
}

/** Something on the command line that a command does not take. */
export interface Mistake {
  /** Without its dashes. */
  readonly flag?: string;
  readonly args: readonly string[];
}

/** One verb. */
export interface Command<F extends FlagSpecs = FlagSpecs> {
  /** Names of the arguments; those in brackets, which are the last, may be left out. */
  readonly args: readonly string[];
  /** What shells offer for the arguments. */
  readonly completes?: readonly Completes[];
  readonly flags: F;
  readonly description: string;
  /** Lines of shell, each example under a comment. */
  readonly examples: string;
  /** What to write instead, where people bring it from kubectl's own command of that name. */
  readonly hint?: (mistake: Mistake) => string | undefined;
  /** Ends by itself when `io.signal` aborts; then SIGINT and SIGTERM are passed on as that. */
  readonly handlesSignals?: boolean;
  /** Resolves with the exit code. Throws UserError for what the user can mend. */
  readonly run: (invocation: Invocation<F>) => Promise<number>;
}

/** Declares a command, with the types of its flags taken from their declaration. */
export function defineCommand<const F extends FlagSpecs>(command: Command<F>): Command {
  // Inside the command its flags are exactly typed; outside nobody looks at them but the parser.
  return command as unknown as Command;
}
