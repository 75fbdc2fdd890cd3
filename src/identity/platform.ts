import { BottleError } from '../errors.ts';

export const GUEST_PLATFORMS = ['linux/amd64', 'linux/arm64'] as const;

export type GuestPlatform = (typeof GUEST_PLATFORMS)[number];

export function parseGuestPlatform(text: string): GuestPlatform {
  const platform = GUEST_PLATFORMS.find((known) => known === text);
  if (platform === undefined) {
    throw new BottleError('usage', `unknown platform ${JSON.stringify(text)}`, {
      hint: `use one of ${GUEST_PLATFORMS.join(', ')}`,
    });
  }
  return platform;
}

/** The platform whose sidecars start on this machine: a microVM has its host's architecture. */
export function hostGuestPlatform(arch: string = process.arch): GuestPlatform {
  return parseGuestPlatform(`linux/${arch === 'x64' ? 'amd64' : arch}`);
}
