import { createHash } from 'node:crypto';

export interface Asset {
  readonly id: number;
  readonly name: string;
  content: Buffer;
  state: 'uploaded' | 'starter';
  digest: string | null;
}

export interface Release {
  readonly id: number;
  readonly tag: string;
  draft: boolean;
  prerelease: boolean;
  immutable: boolean;
  readonly assets: Asset[];
}

export interface Run {
  readonly id: number;
  readonly event: string;
  readonly status: string;
  readonly conclusion: string | null;
  readonly headBranch: string | null;
  readonly headSha: string;
  /** Undefined: the fork has been deleted. */
  readonly headRepository: Repository | undefined;
}

export interface Artifact {
  readonly id: number;
  readonly name: string;
  readonly run: Run;
  readonly stored: Buffer;
  readonly contentType: string;
  /** Of the answer that gives the stored bytes. */
  readonly fileName: string;
  digest: string | null;
  expired: boolean;
  expiresAt: string;
}

/** What a tag points at: a commit, or the object of an annotated tag. */
export interface GitObject {
  readonly type: 'commit' | 'tag';
  readonly sha: string;
}

export interface RepositoryOptions {
  /** Before it was renamed or transferred: `owner/name`. */
  readonly formerName?: string;
  readonly isPrivate?: boolean;
  readonly defaultBranch?: string;
}

/** A repository with what the double knows of it. */
export class Repository {
  readonly id: number;
  readonly owner: string;
  readonly name: string;
  readonly isPrivate: boolean;
  readonly defaultBranch: string;
  readonly formerName: string | undefined;
  readonly tags = new Set<string>();
  /** What a published release may still be changed in: nothing, with the repository's setting of that name. */
  hasImmutableReleases = false;
  readonly #objects = new Map<string, GitObject>();
  readonly releases: Release[] = [];
  readonly runs: Run[] = [];
  readonly artifacts: Artifact[] = [];
  readonly #nextId: () => number;

  constructor(
    fullName: string,
    { isPrivate = false, defaultBranch = 'main', formerName }: RepositoryOptions,
    nextId: () => number,
  ) {
    const [owner = '', name = ''] = fullName.split('/');
    this.id = nextId();
    this.owner = owner;
    this.name = name;
    this.isPrivate = isPrivate;
    this.defaultBranch = defaultBranch;
    this.formerName = formerName;
    this.#nextId = nextId;
  }

  get fullName(): string {
    return `${this.owner}/${this.name}`;
  }

  /** The last one that is neither a draft nor a prerelease is the latest. */
  addRelease(tag: string, assets: Readonly<Record<string, Buffer | string>> = {}): Release {
    const release: Release = {
      id: this.#nextId(),
      tag,
      draft: false,
      prerelease: false,
      immutable: false,
      assets: Object.entries(assets).map(([name, content]) => this.#asset(name, Buffer.from(content))),
    };
    this.tags.add(tag);
    this.releases.push(release);
    return release;
  }

  createRelease(tag: string, draft: boolean): Release {
    const release = this.addRelease(tag);
    release.draft = draft;
    return release;
  }

  /** As an upload begins it. */
  addAsset(release: Release, name: string): Asset {
    const asset: Asset = {
      id: this.#nextId(),
      name,
      content: Buffer.alloc(0),
      state: 'starter',
      digest: null,
    };
    release.assets.push(asset);
    return asset;
  }

  /** An annotated tag is an object of its own that points at the commit. */
  moveTag(tag: string, commit: string, { annotated = false }: { annotated?: boolean } = {}): void {
    this.tags.add(tag);
    const target: GitObject = { type: 'commit', sha: commit };
    const object: GitObject = annotated
      ? { type: 'tag', sha: digestOf(Buffer.from(tag)).slice(7, 47) }
      : target;
    this.#objects.set(tag, object);
    this.#objects.set(object.sha, target);
  }

  /** Of a tag's name, or of an annotated tag's hash. */
  objectOf(name: string): GitObject | undefined {
    return (
      this.#objects.get(name) ?? (this.tags.has(name) ? { type: 'commit', sha: 'c'.repeat(40) } : undefined)
    );
  }

  get latestRelease(): Release | undefined {
    return this.releases.findLast(({ draft, prerelease }) => !draft && !prerelease);
  }

  /** Of a push to the default branch that went well, unless `properties` say otherwise. */
  addRun(properties: Partial<Omit<Run, 'id'>> = {}): Run {
    const run: Run = {
      id: this.#nextId(),
      event: 'push',
      status: 'completed',
      conclusion: 'success',
      headBranch: this.defaultBranch,
      headSha: 'c'.repeat(40),
      headRepository: this,
      ...properties,
    };
    this.runs.push(run);
    return run;
  }

  addArtifact(run: Run, name: string, content: Buffer | string): Artifact {
    const stored = Buffer.from(content);
    const artifact: Artifact = {
      id: this.#nextId(),
      name,
      run,
      stored,
      contentType: 'application/octet-stream',
      fileName: name,
      digest: digestOf(stored),
      expired: false,
      expiresAt: '2027-02-01T10:00:00Z',
    };
    this.artifacts.push(artifact);
    return artifact;
  }

  #asset(name: string, content: Buffer): Asset {
    return { id: this.#nextId(), name, content, state: 'uploaded', digest: digestOf(content) };
  }
}

export function digestOf(bytes: Buffer): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`;
}
