/** Names of our workloads in a managed cluster, and of what they run as. */
export const FORWARDER = 'forwarder';
export const AGENT = 'agent';

/** Label of everything of ours in a managed cluster: the name by which the management cluster knows it. */
export const CLUSTER_LABEL = 'kubectl-mcm.io/cluster';
