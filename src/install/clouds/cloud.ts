/** What is different about a cloud, or a way to make clusters, as its documentation says; docs/clouds.md names where. */
export interface Cloud {
  /** How managed clusters get to the manager, unless it is said otherwise. */
  readonly expose: 'nodeport' | 'loadbalancer';
  /** Of the Service that the cloud makes a load balancer for. */
  readonly annotations: Readonly<Record<string, string>>;
  /** The one that is there, where clusters have none by default. */
  readonly storageClass?: string;
  /** API servers are outside the cluster, and reach pods of Calico's own network only by the network of the node. */
  readonly apiServersOutsideCalicoNetwork: boolean;
  /** What does not work there, or only with something that we cannot do. */
  readonly notes: readonly string[];
}
