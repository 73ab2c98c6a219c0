/** Where kubelet keeps a container's log: NAMESPACE_POD_UID, the container, and how often it was started before. */
const POD_LOG = /\/([^/_]+)_([^/_]+)_[^/_]+\/coredns\/[^/]+$/;

/** The pod that a log file is of, where it is of CoreDNS's container. */
export interface CorednsPod {
  readonly namespace: string;
  readonly name: string;
}

/** undefined for a file that is at no such place. */
export function corednsPod(path: string): CorednsPod | undefined {
  const [, namespace, name] = POD_LOG.exec(path) ?? [];
  return namespace === undefined || name === undefined ? undefined : { namespace, name };
}

/**
 * A line of CoreDNS's `log` plugin in its default format:
 *
 *     [INFO] 10.244.0.5:37461 - 61241 "A IN api.example.com. udp 50 false 512" NOERROR qr,rd,ra 106 0.000123s
 *
 * Names have no blanks: CoreDNS escapes them.
 */
const QUERY =
  /^(?:\[INFO\] )?(\[[\da-fA-F:.%\w]+\]|[\d.]+):\d+ - \d+ "(\S+) (\S+) (\S+) \S+ \d+ \S+ \d+" (\S+) \S+ \d+ (\d+(?:\.\d+)?(?:e-?\d+)?)s$/;

/** As Calico's DNS logs write what CoreDNS writes in capitals; others stay as they are. */
const RCODES: Readonly<Record<string, string>> = {
  NOERROR: 'NoError',
  FORMERR: 'FormErr',
  SERVFAIL: 'ServFail',
  NXDOMAIN: 'NXDomain',
  NOTIMP: 'NotImp',
  REFUSED: 'Refused',
};

const NANOSECONDS = 1e9;

/**
 * The DNS record of a query that CoreDNS has logged, as one line of JSON; undefined for anything else that it says. CoreDNS
 * logs each query by itself, and neither who asked but for the address, nor what the answer was.
 * @param time RFC 3339, when the line was written: once the query was answered
 */
export function queryRecord(time: string, line: string, pod: CorednsPod): string | undefined {
  const [, client = '', qtype, qclass, qname = '', rcode = '', seconds] = QUERY.exec(line) ?? [];
  if (qtype === undefined) return undefined;
  const latency = Math.round(Number(seconds) * NANOSECONDS);
  return JSON.stringify({
    start_time: time,
    end_time: time,
    type: 'LOG',
    count: 1,
    // Of IPv6 without its brackets and zone.
    client_ip: client.replace(/^\[([^%\]]*).*\]$/, '$1'),
    client_name: '-',
    client_name_aggr: '-',
    client_namespace: '-',
    servers: [{ name: pod.name, name_aggr: pod.name.replace(/-[^-]+$/, '-*'), namespace: pod.namespace }],
    qname: qname === '.' ? qname : qname.replace(/\.$/, ''),
    qclass,
    qtype,
    rcode: RCODES[rcode] ?? rcode,
    rrsets: [],
    latency_count: 1,
    latency_mean: latency,
    latency_max: latency,
  });
}
