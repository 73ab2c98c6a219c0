import { KubeClient } from '../kube/client.ts';
import { loadKubeContext } from '../kube/kubeconfig.ts';
import type { GlobalOptions, Io } from './command.ts';

/** The API server that the flags and the kubeconfig say, or that of another context of the same kubeconfig. */
export function connect(global: GlobalOptions, io: Io, context?: string): KubeClient {
  // What the flags say of the first server and its user is not meant for another one.
  const kube = context === undefined ? global.kube : { kubeconfig: global.kube.kubeconfig, context };
  return new KubeClient(loadKubeContext(kube, io.env), {
    timeout: global.requestTimeout,
    onRequest: global.verbosity >= 6 ? (line) => io.err.write(`${line}\n`) : undefined,
  });
}
