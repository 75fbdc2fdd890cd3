import { isIP } from 'node:net';
import { isSince } from './knobs.ts';

export interface ImageReference {
  /** As given, with `:latest` where it has neither tag nor digest. */
  readonly text: string;
  /** `host:port` */
  readonly registry: string;
  readonly repository: string;
  /** Tag or digest. */
  readonly version: string;
}

/**
 * Reads an image reference as smolvm's guest does (crates/smolvm-agent/src/oci.rs, smolvm-protocol/src/image_ref.rs):
 * the first component is a registry only if it has a `.` or a `:`, and a digest wins over a tag.
 */
export function parseImageReference(given: string): ImageReference {
  const hasVersion = given.includes('@') || /:[^/]*$/.test(given);
  const text = hasVersion ? given : `${given}:latest`;
  requireValid(text);
  const [first = '', ...others] = text.split('/');
  const isRegistry = others.length > 0 && /[.:]/.test(first);
  const name = isRegistry ? others.join('/') : text;
  const [tagged = '', digest] = name.split('@');
  const [repository = '', tag = 'latest'] = tagged.split(':');
  return {
    text,
    registry: isRegistry ? first : 'index.docker.io',
    repository: isRegistry || repository.includes('/') ? repository : `library/${repository}`,
    version: digest ?? tag,
  };
}

function requireValid(text: string): void {
  const problem = [
    [/^[A-Za-z0-9]/, 'image reference must start with alphanumeric character'],
    [/[A-Za-z0-9]$/, 'image reference must end with alphanumeric character'],
    [/^[A-Za-z0-9._/:@-]*$/, 'image reference contains invalid characters'],
    [/^(?!.*\.\.)|^[^/]*$/, "image reference must not contain '..'"],
  ].find(([pattern]) => !(pattern as RegExp).test(text));
  if (problem) {
    throw new Error(`invalid image reference '${text}': ${problem[1]}`);
  }
}

/** The double sends nothing beyond this machine, whatever it is asked to pull. */
export function loopbackAddress({ registry }: ImageReference): { host: string; port: number } {
  const [host = '', port = '443'] = registry.split(':');
  const isLoopback = host === 'localhost' || (isIP(host) === 4 && host.startsWith('127.'));
  if (!isLoopback) {
    throw new Error(`Get "https://${registry}/v2/": dial tcp: lookup ${host}: no such host`);
  }
  if (process.env.SMOLVM_PUBLISH_ADDR || process.env.SMOLVM_GUEST_HOST_SERVICE) {
    // Either puts the builder on its own network, where this address is the guest.
    throw new Error(`Get "https://${registry}/v2/": dial tcp 127.0.0.1:${port}: connect: connection refused`);
  }
  if (deniesLoopback()) {
    throw new Error(`Get "https://${registry}/v2/": dial tcp [::1]:${port}: connect: permission denied`);
  }
  return { host, port: Number(port) };
}

/** The floor of libkrun since 1.13.0: the first variable that is set decides. */
function deniesLoopback(): boolean {
  const { env } = process;
  if (!isSince('1.13.0')) {
    return false;
  }
  if (env.SMOLVM_EGRESS_FLOOR) {
    return env.SMOLVM_EGRESS_FLOOR === 'strict';
  }
  const isOn = (value: string | undefined) => value === '1' || value === 'true';
  return !isOn(env.SMOLVM_EGRESS_ALLOW_PRIVATE) && !isOn(env.SMOLVM_ALLOW_HOST_LOOPBACK);
}
