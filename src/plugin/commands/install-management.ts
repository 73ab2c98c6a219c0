import { defineCommand } from '../command.ts';
import { MANAGEMENT_FLAGS, readManagementRequest } from '../install/management-flags.ts';
import { INSTALL_FLAGS, runInstall } from '../install/run-install.ts';

/** `install management`: everything a cluster needs to be the management cluster. */
export const command = defineCommand({
  args: [],
  description: `
Turn the current cluster into a management cluster: namespace, CustomResourceDefinition, CA and certificates, rights,
Services and APIServices, and the manager itself as a StatefulSet with a volume and NetworkPolicies; with
--external-manager it runs elsewhere. It can be run again at any time; what is as it should be stays untouched. What does
not fit the cluster (names that are taken, a Secret or StorageClass that is not there) is refused before anything is
changed.

Private keys are made by the run itself and kept in Secrets. They are never printed: with -o yaml the Secrets stand
there without their data, to be filled by the next run.`,
  examples: `
# The manager in the cluster; managed clusters dial port 30449 of a node, or what stands before the nodes
kubectl mcm install management --image registry.example.com/kubectl-mcm:0.1.0 \\
  --elasticsearch https://elasticsearch.logging.svc:9200 --elasticsearch-secret elasticsearch \\
  --address mgmt.example.com:30449

# On EKS, by a load balancer, whose address is taken
kubectl mcm install management --cloud eks --image registry.example.com/kubectl-mcm:0.1.0 \\
  --elasticsearch https://elasticsearch.example.com:9200 --elasticsearch-secret elasticsearch

# Look at everything first, or keep it in git
kubectl mcm install management --image kubectl-mcm:0.1.0 --elasticsearch http://10.0.0.9:9200 \\
  --address mgmt.example.com:30449 --dry-run=client -o yaml

# The manager runs outside the cluster; kube-apiserver reaches its API at 10.0.0.5:8443
kubectl mcm install management --address 10.0.0.5:9449 --external-manager 10.0.0.5:8443`,
  flags: { ...MANAGEMENT_FLAGS, ...INSTALL_FLAGS },
  run: async ({ flags, global, io }) => {
    const request = readManagementRequest(flags);
    await runInstall(request, flags, global, io);
    if (flags['dry-run'] === 'none') io.err.write('pod' in request.manager ? NEXT : NEXT_OUTSIDE);
    return 0;
  },
});

const CONNECT = `then connect a cluster:
  kubectl mcm add-cluster NAME -o NAME.yaml
`;

const NEXT = `Next: wait until the manager runs (kubectl rollout status statefulset/manager -n kubectl-mcm), ${CONNECT}`;

const NEXT_OUTSIDE = `Next: run the manager (kubectl mcm manager --help), ${CONNECT}`;
