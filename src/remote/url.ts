import { BottleError } from '../errors.ts';

/** Without the parts of an address that grant access to anyone who has it. */
export function redacted(url: string): string {
  const parsed = URL.parse(url);
  // A text that is not an http address has no parts that could be told apart: all of it may be a login.
  if (parsed === null || parsed.origin === 'null') {
    return 'something that is not an address';
  }
  parsed.username = '';
  parsed.password = '';
  return `${parsed.origin}${parsed.pathname}${parsed.search === '' ? '' : '?…'}`;
}

/** @throws BottleError `usage` for an address that is neither https, nor http on this machine */
export function checkedUrl(text: string): URL {
  const url = URL.parse(text);
  if (url?.protocol === 'https:' || (url?.protocol === 'http:' && isLoopback(url.hostname))) {
    return url;
  }
  throw new BottleError('usage', `not an address to download from: ${url === null ? text : redacted(text)}`, {
    hint: 'use https://; http:// is for this machine (localhost) only',
  });
}

/** @param hostname as a URL has it: an IPv6 address in brackets */
export function isLoopback(hostname: string): boolean {
  return (
    hostname === 'localhost' ||
    hostname === '[::1]' ||
    /^127(\.\d{1,3}){3}$/.test(hostname) ||
    /^\[::ffff:7f[0-9a-f]{2}:[0-9a-f]{1,4}\]$/.test(hostname)
  );
}
