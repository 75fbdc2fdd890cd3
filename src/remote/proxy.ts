import { BlockList, isIP } from 'node:net';
import { BottleError } from '../errors.ts';
import { isLoopback, redacted } from './url.ts';

/**
 * The proxy for an https address, by the rules that Go programs (docker, crane, gh) share: HTTPS_PROXY and NO_PROXY in
 * either case, and this machine is always reached directly. Plain http is for this machine only, so it never has a proxy.
 * https://pkg.go.dev/golang.org/x/net/http/httpproxy
 */
export function proxyFor(url: URL, env: NodeJS.ProcessEnv): URL | undefined {
  const setting = (env.HTTPS_PROXY || env.https_proxy)?.trim();
  if (url.protocol !== 'https:' || !setting || isLoopback(url.hostname)) {
    return undefined;
  }
  return isExempt(url, env.NO_PROXY || env.no_proxy || '') ? undefined : parseProxy(setting);
}

function parseProxy(setting: string): URL {
  const proxy = URL.parse(/^[a-z\d+.-]+:\/\//i.test(setting) ? setting : `http://${setting}`);
  if (proxy !== null && ['http:', 'https:'].includes(proxy.protocol)) {
    return proxy;
  }
  const scheme = proxy?.protocol.slice(0, -1) ?? 'an address that cannot be read';
  throw new BottleError(
    'usage',
    `HTTPS_PROXY names a proxy by ${scheme}; only http and https are supported`,
    {
      hint: 'set HTTPS_PROXY to http://HOST:PORT, or name the server in NO_PROXY',
    },
  );
}

function isExempt({ hostname, port }: URL, noProxy: string): boolean {
  const host = hostname.replace(/^\[|\]$/g, '').toLowerCase();
  return noProxy
    .toLowerCase()
    .split(',')
    .map((entry) => entry.trim())
    .some((entry) => entry === '*' || (entry !== '' && matches(host, port || '443', entry)));
}

/** An entry is a network (10.0.0.0/8), an address, or a domain with those below it, the last two with or without a port. */
function matches(host: string, port: string, entry: string): boolean {
  const [network = '', prefix] = entry.split('/', 2);
  if (prefix !== undefined) {
    return isInNetwork(host, network, Number(prefix));
  }
  const [, entryHost = '', entryPort] =
    /^\[?(.*?)\]?(?::(\d+))?$/.exec(isIP(entry) === 0 ? entry : `[${entry}]`) ?? [];
  if (entryHost === '' || (entryPort !== undefined && entryPort !== port)) {
    return false;
  }
  if (isIP(entryHost) !== 0) {
    return isInNetwork(host, entryHost, isIP(entryHost) === 4 ? 32 : 128);
  }
  // A leading dot, or a star and a dot, leave out the domain itself.
  const domain = entryHost.replace(/^\*?\./, '');
  return host.endsWith(`.${domain}`) || (host === domain && domain === entryHost);
}

function isInNetwork(host: string, network: string, prefix: number): boolean {
  const family = isIP(network);
  const hostFamily = isIP(host);
  if (family === 0 || hostFamily === 0 || !(prefix >= 0 && prefix <= (family === 4 ? 32 : 128))) {
    return false;
  }
  const networks = new BlockList();
  networks.addSubnet(network, prefix, family === 4 ? 'ipv4' : 'ipv6');
  return networks.check(host, hostFamily === 4 ? 'ipv4' : 'ipv6');
}

/** The end of the sentence "no answer from https://…": empty without a proxy. */
export function byWayOf(proxy: URL | undefined): string {
  return proxy === undefined ? '' : ` by way of the proxy ${redacted(proxy.href).replace(/\/$/, '')}`;
}
