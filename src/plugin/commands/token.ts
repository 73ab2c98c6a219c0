import { UserError } from '../../errors.ts';
import { objectPath } from '../../kube/objects.ts';
import { isStatus } from '../../kube/status.ts';
import { NAMESPACE_FLAG, serviceAccountOf } from '../access/service-account.ts';
import { defineCommand } from '../command.ts';
import { connect } from '../connect.ts';
import { durationOf, humanDuration } from '../duration.ts';

const MINUTE = 60_000;

/** Kubernetes makes none that is good for less. */
const SHORTEST = 10 * MINUTE;

/** authentication.k8s.io/v1 TokenRequest, as it is answered. */
interface TokenRequest {
  readonly status: { readonly token: string; readonly expirationTimestamp: string };
}

/** `token NAME`: what a ServiceAccount logs in with. */
export const command = defineCommand({
  args: ['NAME'],
  description: `
Print a token for a user that "kubectl mcm create-user" has created. It is kept nowhere, and good until its time is over or
the user is deleted (kubectl delete serviceaccount NAME). The token alone is on stdout.

How long tokens may be good for is for the API server to say: what it has cut short is told.`,
  examples: `
# For a day
kubectl mcm token jane

# Into a file that only you can read, for users[].user.tokenFile of a kubeconfig
(umask 077; kubectl mcm token jane --duration 8h > jane.token)`,
  flags: {
    ...NAMESPACE_FLAG,
    duration: {
      type: 'string',
      value: 'DURATION',
      default: '24h',
      description: 'How long the token is good for, for example 8h or 30d; at least 10m.',
    },
  },
  run: async ({ args, flags, global, io }) => {
    const [name = ''] = args;
    const account = serviceAccountOf(name, flags.namespace);
    const duration = durationOf('duration', flags.duration);
    if (duration < SHORTEST) {
      throw new UserError(`error: invalid argument "${flags.duration}" for "--duration" flag: must be at least 10m`);
    }
    const spec = { expirationSeconds: Math.round(duration / 1000) };
    const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'TokenRequest', spec };
    const client = connect(global, io);
    const { status } = await client
      .review<TokenRequest>(`${objectPath(account)}/token`, body, { signal: io.signal })
      .catch((error: unknown) => {
        if (!isStatus(error, 404)) throw error;
        throw error.withHint(`run: kubectl mcm create-user ${name} -n ${flags.namespace}`);
      });
    io.out.write(`${status.token}\n`);
    const left = Date.parse(status.expirationTimestamp) - io.now();
    // A little less is the way there and back.
    const isCut = left < duration - MINUTE;
    const cut = isCut ? 'warning: the API server makes none that is good for so long\n' : '';
    io.err.write(
      `${cut}Good for ${humanDuration(Math.ceil(left / MINUTE) * MINUTE)}, until ${status.expirationTimestamp}\n`,
    );
    return 0;
  },
});
