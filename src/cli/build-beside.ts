import { engineFacts } from '../docker/command.ts';
import type { Image } from '../docker/image.ts';
import { BottleError } from '../errors.ts';
import { type BindingBuild, buildForBinding } from '../fetch/bind.ts';
import { warningsTo } from '../progress.ts';

/** The build that says which name the sidecar gets. It runs beside the download, if there is one. */
export class BuildBeside {
  readonly #build: BindingBuild;
  readonly #stop = new AbortController();
  readonly #failure: Promise<BottleError | undefined>;
  #image: Promise<Image | undefined> | undefined;

  /** Asks for Docker at once, because nobody wants to hear after a long download that it is not running. */
  constructor(build: BindingBuild) {
    this.#build = { ...build, signal: AbortSignal.any([build.signal, this.#stop.signal]) };
    this.#failure = whyNoDocker(this.#build.signal);
    this.#failure.then(this.#warn, () => {});
  }

  start(): void {
    this.#image = this.#failure.then((failure) =>
      failure === undefined ? buildForBinding(this.#build) : undefined,
    );
    // It is awaited only once the download is done.
    this.#image.catch(() => {});
  }

  /** Undefined where it was not started, or without Docker, which may be running by now. */
  get image(): Promise<Image | undefined> | undefined {
    return this.#image;
  }

  async end(): Promise<void> {
    this.#stop.abort();
    await this.#image?.catch(() => {});
  }

  readonly #warn = (failure: BottleError | undefined): void => {
    if (failure !== undefined) {
      const message = `${failure.message}; the sidecar can be downloaded, but not linked before Docker runs`;
      warningsTo(this.#build.onProgress)(message);
    }
  };
}

async function whyNoDocker(signal: AbortSignal): Promise<BottleError | undefined> {
  try {
    await engineFacts(signal);
    return undefined;
  } catch (error) {
    if (error instanceof BottleError) {
      return error;
    }
    throw error;
  }
}

/** Without Docker nothing is lost: the sidecar stays in the store. */
export function explainUnlinked(error: unknown): never {
  const codes = ['docker-unreachable', 'docker-missing', 'docker-not-permitted'];
  if (error instanceof BottleError && codes.includes(error.code)) {
    const { code, message, details, hint } = error;
    throw new BottleError(code, `downloaded and verified, but not linked: ${message}`, {
      hint:
        code === 'docker-unreachable'
          ? 'start Docker, then run claude-bottle bind'
          : `${hint}; then run claude-bottle bind`,
      details,
      cause: error,
    });
  }
  throw error;
}
