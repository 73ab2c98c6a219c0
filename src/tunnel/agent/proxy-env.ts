import { BlockList, isIP, isIPv4, isIPv6 } from 'node:net';

/** Where to connect, through what: the variables that Go's programs, Guardian among them, read. */
export type ProxyEnvironment = Readonly<Record<string, string | undefined>>;

/**
 * The proxy for a TLS connection to `host`: HTTPS_PROXY, unless NO_PROXY names the host (`*`, a name, a `.suffix`, an
 * address, a CIDR; each perhaps with a port) or it is this machine. undefined for a direct connection.
 * @throws Error for a variable that is no proxy's URL; it does not repeat the value, which may hold a password.
 */
export function proxyFor(host: string, port: number, env: ProxyEnvironment): URL | undefined {
  const text = env.HTTPS_PROXY || env.https_proxy || '';
  if (text === '' || isLoopback(host) || isExcepted(host, port, env.NO_PROXY || env.no_proxy || '')) return undefined;
  const url = URL.parse(text.includes('://') ? text : `http://${text}`);
  if (url === null || (url.protocol !== 'http:' && url.protocol !== 'https:')) {
    throw new Error('HTTPS_PROXY is not the URL of an http or https proxy');
  }
  return url;
}

function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '::1' || (isIPv4(host) && host.startsWith('127.'));
}

function isExcepted(host: string, port: number, exceptions: string): boolean {
  const name = host.toLowerCase();
  return exceptions
    .toLowerCase()
    .split(',')
    .map((entry) => entry.trim())
    .filter((entry) => entry !== '')
    .some((entry) => matches(name, port, entry));
}

function matches(host: string, port: number, entry: string): boolean {
  if (entry === '*') return true;
  const [, bare = entry, onlyPort] = /^(.+?):(\d+)$/.exec(isIPv6(entry) ? '' : entry) ?? [];
  if (onlyPort !== undefined && Number(onlyPort) !== port) return false;
  const wanted = bare.replace(/^\[|\]$/g, '');
  if (isIP(host) !== 0) return matchesAddress(host, wanted);
  // Like Go: "example.com" means its subdomains too, ".example.com" only these.
  const suffix = wanted.replace(/^\*(?=\.)/, '');
  return suffix.startsWith('.') ? host.endsWith(suffix) : host === suffix || host.endsWith(`.${suffix}`);
}

function matchesAddress(host: string, entry: string): boolean {
  const [network = '', bits] = entry.split('/');
  const family = isIP(network);
  if (family === 0 || family !== isIP(host)) return false;
  const type = family === 6 ? 'ipv6' : 'ipv4';
  const list = new BlockList();
  if (bits === undefined) list.addAddress(network, type);
  else if (/^\d{1,3}$/.test(bits) && Number(bits) <= (family === 6 ? 128 : 32))
    list.addSubnet(network, Number(bits), type);
  return list.check(host, type);
}
