import { pino } from 'pino';
import { restoreAddresses } from '../../install/restore-address.ts';
import { KubeClient } from '../../kube/client.ts';
import { loadKubeContext } from '../../kube/kubeconfig.ts';
import { defineCommand } from '../command.ts';

/** Milliseconds after which a request has failed: what comes too late restores nothing. */
const REQUEST_TIMEOUT = 10_000;

/** Of a program that SIGTERM has ended. */
const TERMINATED = 143;

/** `restore-address`: what takes a change of the address back that nobody confirms. */
export const command = defineCommand({
  args: [],
  description: `
Take a change of the address back by which a managed cluster reaches its manager, unless it is confirmed in time: the pod
of the Job "restore-address", which "kubectl mcm install managed" makes and "kubectl mcm set-address" lets run for as long
as it changes the address.

What to go back to, and after how many seconds, stands in the annotations of the ConfigMap "management-address". It uses
the pod's ServiceAccount, logs JSON lines on stdout, and never ends by itself.`,
  examples: `
# What the Job runs where Guardian opens the tunnel
kubectl mcm restore-address --guardian`,
  flags: {
    guardian: {
      type: 'boolean',
      description: 'Guardian opens the tunnel: restore the address in its ManagementClusterConnection, too.',
    },
  },
  handlesSignals: true,
  run: async ({ flags, global, io }) => {
    const log = pino({ level: global.verbosity >= 6 ? 'debug' : 'info' });
    const timeout = global.requestTimeout === 0 ? REQUEST_TIMEOUT : global.requestTimeout;
    const client = new KubeClient(loadKubeContext(global.kube, io.env), { timeout });
    const events = {
      armed: (previous: string, restoresAt: Date) =>
        log.info({ previous, restoresAt }, 'a change waits to be confirmed'),
      confirmed: (address: string | undefined) => log.info({ address }, 'confirmed'),
      restored: (previous: string) => log.warn({ address: previous }, 'not confirmed in time: restored'),
      failed: (reason: string) => log.error({ reason }, 'failed; trying again'),
    };
    await restoreAddresses({ client, guardian: flags.guardian, events }, io.signal);
    // Not 0: a Job whose pod has succeeded is over, and can never be let run again.
    return TERMINATED;
  },
});
