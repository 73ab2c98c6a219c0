import { AUDIT_FLAGS, AUDIT_POLICY, type AuditCloud } from '../../install/audit-logs.ts';
import { toYaml } from '../print.ts';

/** What to do for audit logs of a cluster's API server, which nothing but its own configuration turns on. */
export function auditWords(cluster: string, cloud: AuditCloud | undefined): string {
  if (cloud !== undefined) {
    return `Audit logs of ${cluster}: ${cloud.name} runs the API server and gives no file of its audit log.\n${cloud.instead}\n`;
  }
  return `Audit logs of ${cluster}: on each node with an API server, write this to /etc/kubernetes/audit-policy.yaml

${toYaml([AUDIT_POLICY])}
and start kube-apiserver with these flags (kubeadm: in /etc/kubernetes/manifests/kube-apiserver.yaml, with both folders as
hostPath volumes). The forwarder of the node finds the file by itself.

${AUDIT_FLAGS.map((flag) => `  ${flag}\n`).join('')}`;
}
