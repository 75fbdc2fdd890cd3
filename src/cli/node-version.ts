/** The first release line with zlib's zstd and everything else that is used here. */
export const MINIMUM_NODE = '22.22.2';

export function supportsNode(version: string): boolean {
  return version.localeCompare(MINIMUM_NODE, 'en', { numeric: true }) >= 0;
}
