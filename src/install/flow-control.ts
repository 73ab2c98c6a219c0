import { LOG_ACCESS_GROUP } from '../rbac/log-access.ts';
import { FLEET_API_GROUP } from './management.ts';
import { EVERYBODY } from './manager-rights.ts';
import { clusterWide, object } from './object.ts';

const FLOW_CONTROL = 'flowcontrol.apiserver.k8s.io/v1';
const FLOW = 'kubectl-mcm-logs';

/**
 * Reads of logs have places of their own in kube-apiserver, and queues by user: however many there are, and however long
 * the store takes, nobody else's requests wait for them.
 */
export const FLOW_SCHEMA = [
  object(FLOW_CONTROL, 'PriorityLevelConfiguration', clusterWide(FLOW), {
    spec: {
      type: 'Limited',
      limited: {
        nominalConcurrencyShares: 10,
        lendablePercent: 50,
        limitResponse: { type: 'Queue', queuing: { queues: 64, handSize: 6, queueLengthLimit: 50 } },
      },
    },
  }),
  object(FLOW_CONTROL, 'FlowSchema', clusterWide(FLOW), {
    spec: {
      priorityLevelConfiguration: { name: FLOW },
      // Before Kubernetes' own for ServiceAccounts (9000) and everybody (9900), behind those for its own parts.
      matchingPrecedence: 5000,
      distinguisherMethod: { type: 'ByUser' },
      rules: [
        {
          subjects: [{ kind: 'Group', group: { name: EVERYBODY.name } }],
          resourceRules: [
            {
              verbs: ['get'],
              apiGroups: [FLEET_API_GROUP, LOG_ACCESS_GROUP],
              resources: ['*'],
              clusterScope: true,
              // There are none; but what is not said is kept as null, and whoever applies this again would change it.
              namespaces: ['*'],
            },
          ],
        },
      ],
    },
  }),
];
