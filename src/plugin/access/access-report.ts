import type { KubeClient } from '../../kube/client.ts';
import type { KubeObject } from '../../kube/objects.ts';
import { StatusError } from '../../kube/status.ts';
import { type Evidence, EvidenceReader } from '../../rbac/evidence.ts';
import type { LogRight } from '../../rbac/log-rights.ts';
import { neededGrant } from '../../rbac/needed-grant.ts';
import type { PolicyRule } from '../../rbac/rbac-objects.ts';
import { formatTable, printable } from '../print.ts';

/** A right with what says so. */
export interface ExplainedRight extends LogRight {
  readonly evidence?: Evidence | undefined;
}

/** Whether all that was asked for is allowed, why, and what is missing to it. */
export interface AccessReport {
  readonly user: string;
  readonly rights: readonly ExplainedRight[];
  /** What would have to be applied for all of it to be allowed. */
  readonly needed: readonly KubeObject[];
}

/** Reads the rules behind rights as whoever `client` is, who need not be the one that has them. @throws StatusError */
export async function explain(
  rights: readonly LogRight[],
  user: string,
  client: KubeClient,
  signal: AbortSignal,
): Promise<AccessReport> {
  const reader = new EvidenceReader(client, signal);
  const explained = rights.map(async (right) => ({ ...right, evidence: await reader.of(right) }));
  return { user, rights: await Promise.all(explained), needed: neededGrant(user, rights) };
}

/** Who a client is to its API server; undefined where that does not say. */
export async function whoIs(client: KubeClient, signal: AbortSignal): Promise<string | undefined> {
  const body = { apiVersion: 'authentication.k8s.io/v1', kind: 'SelfSubjectReview' };
  try {
    const path = '/apis/authentication.k8s.io/v1/selfsubjectreviews';
    const review = await client.review<{ readonly status?: { readonly userInfo?: { readonly username?: string } } }>(
      path,
      body,
      { signal },
    );
    return review.status?.userInfo?.username;
  } catch (error) {
    // Kubernetes before 1.28 has no such review. Whoever may not impersonate is told so by the next request.
    if (error instanceof StatusError) return undefined;
    throw error;
  }
}

/** A row for each cluster and type. */
export function accessTable(rights: readonly ExplainedRight[]): string {
  const rows = rights.map((right) => [
    right.cluster,
    right.type.label,
    right.allowed ? 'yes' : 'no',
    printable(right.allowed ? chain(right) : (right.reason ?? '<none>')),
  ]);
  return formatTable(['CLUSTER', 'TYPE', 'ALLOWED', 'BY'], rows);
}

/** `ClusterRoleBinding/eu-flows (User alice) -> ClusterRole/eu-flows -> resources [prod-eu], resourceNames [flows]` */
export function chain({ evidence, reason }: ExplainedRight): string {
  return evidence === undefined
    ? (reason ?? '<not by RBAC: an administrator, or another authorizer>')
    : evidenceText(evidence);
}

/** The same for what is surely by RBAC. */
export function evidenceText({ binding, role, subject, rule }: Evidence): string {
  const steps = [`${binding.kind}/${binding.name} (${subject.kind} ${subject.name})`, `${role.kind}/${role.name}`];
  return [...steps, ...(rule === undefined ? [] : [ruleText(rule)])].join(' -> ');
}

/** Mostly nobody says more than that there is nothing that would allow it. */
export function whyNot({ reason }: ExplainedRight): string {
  return reason ?? 'no binding allows it';
}

function ruleText({ resources = [], resourceNames = [] }: PolicyRule): string {
  const names = resourceNames.length === 0 ? '<all>' : `[${resourceNames.join(', ')}]`;
  return `resources [${resources.join(', ')}], resourceNames ${names}`;
}

/** The report for programs. */
export function reportObject({ user, rights, needed }: AccessReport): object {
  const logs = rights.map(({ cluster, type, allowed, name, reason, evidence }) => ({
    ...{ cluster, type: type.name, allowed },
    ...(name === undefined ? {} : { resourceName: name }),
    ...(reason === undefined ? {} : { reason }),
    ...evidence,
  }));
  const allowed = rights.length > 0 && rights.every((right) => right.allowed);
  return { user, allowed, logs, ...(needed.length === 0 ? {} : { needed }) };
}
