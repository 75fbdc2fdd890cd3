import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { type Checkout, sampleCheckout } from './checkout.ts';
import { tempDir } from './temp-dir.ts';

export interface HostileCheckout extends Checkout {
  /** Names of the programs that have run. */
  ran(): Promise<string[]>;
}

const HOOKS =
  'post-index-change reference-transaction post-checkout pre-commit fsmonitor-watchman query-watchman'.split(
    ' ',
  );

/** As from an archive: its `.git` names a program wherever git takes one, and each leaves a mark. */
export async function hostileCheckout(): Promise<HostileCheckout> {
  const checkout = await sampleCheckout('FROM scratch\nCOPY . /\n');
  const marks = await tempDir();
  const program = join(await tempDir(), 'program');
  await fs.writeFile(program, `#!/bin/sh\n: > "${marks}/$1"\nexit 1\n`, { mode: 0o755 });
  const hidden = await hide(checkout);
  const gitDir = join(checkout.dir, '.git');
  for (const hook of HOOKS) {
    await fs.writeFile(join(gitDir, 'hooks', hook), `#!/bin/sh\nexec ${program} hook-${hook}\n`, {
      mode: 0o755,
    });
  }
  const included = join(gitDir, 'included');
  await fs.writeFile(included, settings(program, 'included'));
  await fs.appendFile(
    join(gitDir, 'config'),
    `${settings(program, 'config')}[include]\npath = ${included}\n`,
  );
  // What the index says of the files is out of date, so that a reader that trusts it has them filtered.
  await fs.utimes(join(checkout.dir, 'agent.txt'), 1, 1);
  await fs.rm(join(gitDir, 'objects', hidden.slice(0, 2), hidden.slice(2)), { force: true });
  return { ...checkout, ran: async () => (await fs.readdir(marks)).sort() };
}

/** Signs the commit, gives its files attributes, and returns an object that a promisor would have to bring. */
async function hide(checkout: Checkout): Promise<string> {
  await fs.writeFile(join(checkout.dir, '.gitattributes'), '* filter=evil diff=evil merge=evil\n');
  const commit = await checkout.commit();
  const text = await checkout.git('cat-file', 'commit', commit);
  const signature = 'gpgsig -----BEGIN PGP SIGNATURE-----\n \n iQ==\n -----END PGP SIGNATURE-----\n';
  const signed = join(await tempDir(), 'commit');
  await fs.writeFile(signed, `${text.replace('\n\n', `\n${signature}\n`)}\n`);
  const hash = await checkout.git('hash-object', '-t', 'commit', '-w', signed);
  await checkout.git('update-ref', 'refs/heads/main', hash);
  await checkout.git('tag', 'v1', hash);
  return await checkout.git('rev-parse', 'HEAD:README.md');
}

function settings(program: string, place: string): string {
  const run = (name: string) => `${program} ${place}-${name}`;
  return `
[core]
  fsmonitor = ${run('fsmonitor')}
  sshCommand = ${run('sshCommand')}
  gitProxy = ${run('gitProxy')}
  pager = ${run('pager')}
  editor = ${run('editor')}
  askPass = ${run('askPass')}
  alternateRefsCommand = ${run('alternateRefsCommand')}
[log]
  showSignature = true
[gpg]
  program = ${program}
[gpg "ssh"]
  program = ${program}
  defaultKeyCommand = ${run('defaultKeyCommand')}
[filter "evil"]
  clean = ${run('clean')}
  smudge = ${run('smudge')}
  process = ${run('process')}
  required = true
[diff]
  external = ${run('diff-external')}
[diff "evil"]
  command = ${run('diff-command')}
  textconv = ${run('textconv')}
[merge "evil"]
  driver = ${run('merge')}
[interactive]
  diffFilter = ${run('diffFilter')}
[credential]
  helper = !${run('credential')}
[alias]
  rev-parse = !${run('alias')}
  remote = !${run('alias')}
  ls-files = !${run('alias')}
[pager]
  remote = ${run('pager-remote')}
  ls-files = ${run('pager-ls-files')}
[extensions]
  partialClone = evil
[protocol "ext"]
  allow = always
[protocol "ssh"]
  allow = always
[remote "evil"]
  url = ext::${run('ext')}
  promisor = true
  partialclonefilter = blob:none
  uploadpack = ${run('uploadpack')}
[submodule "sub"]
  update = !${run('submodule')}
[core]
  repositoryformatversion = 1
`;
}

/** A clone in which `docker/` is a repository of its own: ordinary files, all tracked by the outer one. */
export async function nestedBareCheckout(): Promise<HostileCheckout> {
  const inner = await hostileCheckout();
  const outer = await sampleCheckout();
  const dir = join(outer.dir, 'docker');
  await fs.cp(join(inner.dir, '.git'), dir, { recursive: true });
  await outer.git('-c', 'core.fsmonitor=false', 'add', '--all');
  await fs.writeFile(join(dir, 'Dockerfile'), 'FROM scratch\nCOPY . /\n');
  await fs.writeFile(join(dir, 'agent.txt'), 'agent\n');
  await outer.commit();
  return { ...outer, dir, ran: inner.ran };
}
