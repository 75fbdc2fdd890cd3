import { posix } from 'node:path';
import type { GuestPlatform } from '../identity/platform.ts';
import {
  type Instruction,
  isHeredoc,
  parseInstruction,
  parseJsonForm,
  readLines,
} from './dockerfile-lines.ts';
import {
  expandWord,
  StageVariables,
  splitWords,
  UnclearError,
  type Value,
  type Variables,
} from './dockerfile-words.ts';
import { isGlob, parseGlob } from './glob.ts';

/** A place in the build context that an instruction names. */
export interface ContextSource {
  /** The instruction, to show it. */
  readonly instruction: string;
  /** Relative to the context, POSIX; '' is the whole context. */
  readonly path: string;
  /** Whether the path is a pattern of Go's filepath.Match. */
  readonly isGlob: boolean;
}

export interface DockerfileView {
  readonly sources: readonly ContextSource[];
  /** Why it is not certain that these are all; none when it is. */
  readonly reasons: readonly string[];
}

export interface DockerfileOptions {
  readonly target?: string | undefined;
  readonly buildArgs: ReadonlyMap<string, string>;
  readonly platform: GuestPlatform;
}

const OFFICIAL_SYNTAX = /^(?:docker\.io\/)?docker\/dockerfile(?:-upstream)?(?:[:@]|$)/;
/** What BuildKit surely takes for an address; everything else is a name in the context for ADD, too. */
const IS_REMOTE = /^(?:(?:https?|git|ssh):\/\/|[\w-]+@[A-Za-z0-9.-]+:)/;
/** Instructions that name nothing in the context and set no variable. */
const INDIFFERENT = new Set(
  'CMD ENTRYPOINT EXPOSE HEALTHCHECK LABEL MAINTAINER SHELL STOPSIGNAL USER VOLUME WORKDIR'.split(' '),
);
/** No Dockerfile that is meant to be built has more. */
const MAX_STAGES = 1_000;
const COPY_FLAGS = 'from chown chmod link parents exclude checksum keep-git-dir unpack'.split(' ');
const RUN_FLAGS = ['mount', 'network', 'security', 'device'];
const MOUNT_TYPES_WITHOUT_CONTEXT = ['cache', 'tmpfs', 'secret', 'ssh'];

/**
 * What a Dockerfile can see of the build context: the sources of COPY, ADD and bind mounts, in the stages that the
 * target needs. Paths keep no more than they must: with --parents a pattern counts as the directory in front of it,
 * and --exclude is not looked at. What ONBUILD holds counts as if it ran. Variables are those of BuildKit.
 */
export function readDockerfile(text: string, options: DockerfileOptions): DockerfileView {
  try {
    const { syntax, escapeChar, instructions } = readLines(text);
    const frontend = options.buildArgs.get('BUILDKIT_SYNTAX') ?? syntax;
    if (frontend !== undefined && !OFFICIAL_SYNTAX.test(frontend)) {
      return { sources: [], reasons: [`the Dockerfile is read by another frontend: ${frontend}`] };
    }
    const reader = new StageReader(options, escapeChar);
    for (const instruction of instructions) {
      reader.read(instruction);
    }
    return reader.view();
  } catch (error) {
    if (error instanceof UnclearError) {
      return { sources: [], reasons: [error.message] };
    }
    throw error;
  }
}

/** One stage, from its FROM to the next. */
interface Stage {
  readonly name: string | undefined;
  /** By itself or by the stages below: then no base image sets variables. */
  readonly isFromScratch: boolean;
  readonly variables: StageVariables;
  /** The stages that FROM and `from=` name, or images, or numbers; undefined is one that we cannot tell. */
  readonly needs: (Stage | string | undefined)[];
  readonly sources: ContextSource[];
  readonly reasons: string[];
}

class StageReader {
  readonly #options: DockerfileOptions;
  readonly #escape: string;
  readonly #globals: Map<string, Value>;
  readonly #stages: Stage[] = [];
  /** The last of each name. */
  readonly #named = new Map<string, Stage>();

  constructor(options: DockerfileOptions, escapeChar: string) {
    this.#options = options;
    this.#escape = escapeChar;
    this.#globals = platformArgs(options);
  }

  /** An unclear instruction becomes a reason of its stage. */
  read(instruction: Instruction): void {
    const stage = this.#stages.at(-1);
    try {
      this.#dispatch(instruction, stage);
    } catch (error) {
      if (!(error instanceof UnclearError) || stage === undefined) {
        throw error;
      }
      stage.reasons.push(`${shown(instruction)}: ${error.message}`);
    }
  }

  view(): DockerfileView {
    const stages = this.#neededStages();
    return {
      sources: stages.flatMap(({ sources }) => sources),
      reasons: stages.flatMap(({ reasons }) => reasons),
    };
  }

  #dispatch(instruction: Instruction, stage: Stage | undefined): void {
    if (instruction.name === 'FROM') {
      const started = this.#startStage(instruction);
      this.#stages.push(started);
      if (started.name !== undefined) {
        this.#named.set(started.name, started);
      }
    } else if (instruction.name === 'ARG') {
      this.#declareArgs(instruction, stage);
    } else if (stage === undefined) {
      throw new UnclearError(`line ${instruction.line}: ${instruction.name} before the first FROM`);
    } else if (instruction.name === 'ENV') {
      this.#setEnv(instruction, stage);
    } else if (instruction.name === 'COPY' || instruction.name === 'ADD') {
      this.#readCopy(instruction, stage);
    } else if (instruction.name === 'RUN') {
      this.#readRun(instruction, stage);
    } else if (instruction.name === 'ONBUILD') {
      this.#readTrigger(instruction, stage);
    } else if (!INDIFFERENT.has(instruction.name)) {
      throw new UnclearError(`line ${instruction.line}: this instruction is not known here`);
    }
  }

  #startStage({ text, line }: Instruction): Stage {
    const [image = '', as, name] = splitWords(text, this.#escape);
    if (image === '' || (as !== undefined && (as.toUpperCase() !== 'AS' || name === undefined))) {
      throw new UnclearError(`line ${line}: FROM is not understood`);
    }
    const base = this.#expandReference(image, this.#globals);
    if (this.#stages.length === MAX_STAGES) {
      throw new UnclearError(`there are more than ${MAX_STAGES} stages`);
    }
    const parent = base === undefined ? undefined : this.#named.get(base);
    return {
      name: name?.toLowerCase(),
      isFromScratch: parent?.isFromScratch ?? base === 'scratch',
      variables: new StageVariables(parent?.variables),
      needs: base === undefined ? [undefined] : parent === undefined ? [] : [parent],
      sources: [],
      reasons: [],
    };
  }

  #declareArgs({ text }: Instruction, stage: Stage | undefined): void {
    const variables = stage?.variables ?? this.#globals;
    const values = splitWords(text, this.#escape).map((word) => {
      const [name = '', fallback] = cut(word, '=');
      const given = this.#options.buildArgs.get(name);
      if (given !== undefined || fallback === undefined) {
        return [name, given ?? this.#globalOf(name)] as const;
      }
      return [name, this.#expandIfClear(fallback, variables)] as const;
    });
    const inherited = stage === undefined || stage.isFromScratch ? null : undefined;
    for (const [name, value] of values) {
      if (value === null) {
        variables.set(name, variables.has(name) ? variables.get(name) : inherited);
        continue;
      }
      const earlier = variables.has(name) ? variables.get(name) : null;
      // Builders differ in whether an ARG or an earlier ENV wins.
      variables.set(name, earlier === null || earlier === value ? value : undefined);
    }
  }

  #globalOf(name: string): Value {
    return this.#globals.has(name) ? this.#globals.get(name) : null;
  }

  #setEnv({ text }: Instruction, { variables }: Stage): void {
    const words = splitWords(text, this.#escape);
    const pairs = words[0]?.includes('=')
      ? words.map((word) => cut(word, '='))
      : [[words[0] ?? '', text.replace(/^\S+\s*/, '')] as const];
    const values = pairs.map(([name, value]) => [name, this.#expandIfClear(value ?? '', variables)] as const);
    for (const [name, value] of values) {
      variables.set(name, value);
    }
  }

  #readCopy(instruction: Instruction, stage: Stage): void {
    const flags = parseFlags(instruction, COPY_FLAGS);
    const from = flags.find(([name]) => name === 'from')?.[1] ?? '';
    if (from !== '') {
      stage.needs.push(this.#expandReference(from, stage.variables));
      return;
    }
    const words =
      parseJsonForm(instruction.text) ?? instruction.text.split(/\s+/).filter((word) => !isHeredoc(word));
    const hasParents = flags.some(([name, value]) => name === 'parents' && value !== 'false');
    const instructionText = shown(instruction);
    const isRemote = (text: string) => instruction.name === 'ADD' && IS_REMOTE.test(text);
    for (const word of words.slice(0, -1)) {
      if (isRemote(word)) {
        continue;
      }
      const path = expandWord(word, stage.variables, this.#escape);
      if (!isRemote(path)) {
        stage.sources.push(copySource(path, hasParents, instructionText));
      }
    }
  }

  #readRun(instruction: Instruction, stage: Stage): void {
    const instructionText = shown(instruction);
    for (const [name, value] of parseFlags(instruction, RUN_FLAGS)) {
      if (name === 'mount') {
        this.#readMount(value, stage, instructionText);
      }
    }
  }

  #readMount(mount: string, stage: Stage, instruction: string): void {
    if (mount.includes('"')) {
      throw new UnclearError('quotes in --mount are not understood here');
    }
    const fields = new Map(
      mount.split(',').map((field): [string, string] => {
        const [key = '', value = ''] = cut(field, '=');
        return [key.trim().toLowerCase(), value];
      }),
    );
    const type = expandWord(fields.get('type') ?? 'bind', stage.variables, this.#escape).toLowerCase();
    const from = fields.get('from') ?? '';
    if (from !== '') {
      stage.needs.push(this.#expandReference(from, stage.variables));
    } else if (type === 'bind') {
      const source = fields.get('source') ?? fields.get('src') ?? '';
      const path = expandWord(source, stage.variables, this.#escape);
      stage.sources.push({ instruction, path: contextPath(path), isGlob: false });
    } else if (!MOUNT_TYPES_WITHOUT_CONTEXT.includes(type)) {
      throw new UnclearError(`the mount type ${type} is not known here`);
    }
  }

  #readTrigger({ text, line }: Instruction, stage: Stage): void {
    const trigger = parseInstruction(text, line);
    if (trigger.name === 'ONBUILD') {
      throw new UnclearError('no builder takes ONBUILD in ONBUILD');
    }
    if (trigger.name === 'ARG' || trigger.name === 'ENV' || text.includes('$')) {
      throw new UnclearError('variables of later builds are not followed here');
    }
    this.#dispatch(trigger, stage);
  }

  /** Undefined when it depends on something that we do not know. */
  #expandIfClear(text: string, variables: Variables): string | undefined {
    try {
      return expandWord(text, variables, this.#escape);
    } catch (error) {
      if (error instanceof UnclearError) {
        return undefined;
      }
      throw error;
    }
  }

  #expandReference(text: string, variables: Variables): string | undefined {
    return this.#expandIfClear(text, variables)?.toLowerCase();
  }

  #neededStages(): readonly Stage[] {
    const { target } = this.#options;
    const last = target === undefined ? this.#stages.at(-1) : this.#find(target.toLowerCase());
    if (last === undefined) {
      throw new UnclearError(target === undefined ? 'there is no FROM' : `there is no stage ${target}`);
    }
    const needed = new Set([last]);
    for (const stage of needed) {
      for (const need of stage.needs) {
        if (need === undefined) {
          return this.#stages;
        }
        const found = typeof need === 'string' ? this.#find(need) : need;
        if (found !== undefined) {
          needed.add(found);
        }
      }
    }
    return this.#stages.filter((stage) => needed.has(stage));
  }

  #find(reference: string): Stage | undefined {
    return (
      this.#named.get(reference) ?? (/^\d+$/.test(reference) ? this.#stages[Number(reference)] : undefined)
    );
  }
}

/**
 * Those of the target; the builder's own platform is not known here.
 * https://docs.docker.com/reference/dockerfile/#automatic-platform-args-in-the-global-scope
 */
function platformArgs({ platform, target, buildArgs }: DockerfileOptions): Map<string, Value> {
  const [os = '', arch = ''] = platform.split('/');
  const automatic: Record<string, string | undefined> = {
    TARGETPLATFORM: platform,
    TARGETOS: os,
    TARGETARCH: arch,
    TARGETVARIANT: '',
    TARGETSTAGE: target ?? 'default',
    BUILDPLATFORM: undefined,
    BUILDOS: undefined,
    BUILDARCH: undefined,
    BUILDVARIANT: undefined,
  };
  return new Map(Object.entries(automatic).map(([name, value]) => [name, buildArgs.get(name) ?? value]));
}

function parseFlags({ flags }: Instruction, known: readonly string[]): [string, string][] {
  return flags.map((flag) => {
    const [name = '', value = ''] = cut(flag.slice(2), '=');
    if (!known.includes(name)) {
      throw new UnclearError(`--${name} is not known here`);
    }
    return [name, value];
  });
}

function copySource(text: string, hasParents: boolean, instruction: string): ContextSource {
  const path = contextPath(text);
  if (path.includes('\\')) {
    throw new UnclearError(`a backslash in a path is not understood here: ${text}`);
  }
  if (path.split('/').some((segment) => parseGlob(segment) === undefined)) {
    throw new UnclearError(`${text} is not a valid pattern`);
  }
  if (!hasParents) {
    return { instruction, path, isGlob: isGlob(path) };
  }
  const segments = path.split('/');
  const wildcard = segments.findIndex(isGlob);
  return {
    instruction,
    path: wildcard === -1 ? path : segments.slice(0, wildcard).join('/'),
    isGlob: false,
  };
}

/** `..` ends at the top of the context. */
function contextPath(path: string): string {
  return posix.normalize(`/${path}`).replace(/^\/|\/$/g, '');
}

function cut(text: string, separator: string): [string, string?] {
  const index = text.indexOf(separator);
  return index === -1 ? [text] : [text.slice(0, index), text.slice(index + 1)];
}

function shown({ name, flags, text }: Instruction): string {
  return [name, ...flags, text].join(' ').slice(0, 120);
}
