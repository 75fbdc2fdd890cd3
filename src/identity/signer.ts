/** "acme/agent pack.yml", from the address of the workflow that a certificate names. */
export function describeSigner(signer: string): string {
  const [, repository, file] =
    /^https?:\/\/[^/]+\/([^/]+\/[^/]+)\/\.github\/workflows\/([^@]+)@/.exec(signer) ?? [];
  return repository === undefined ? signer : `${repository} ${file}`;
}

/** "main" or "v1.2.0" */
export function describeRef(ref: string): string {
  return ref.replace(/^refs\/(heads|tags)\//, '');
}
