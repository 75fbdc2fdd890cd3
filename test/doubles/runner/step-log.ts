import { COMMAND_NAMES, parseCommand, type WorkflowCommand } from './workflow-command.ts';

export interface Annotation {
  readonly level: 'error' | 'warning' | 'notice';
  readonly title?: string;
  readonly message: string;
}

export interface Group {
  readonly name: string;
  readonly lines: string[];
}

export type Phase = 'main' | 'post';

export interface ObeyedCommand extends WorkflowCommand {
  readonly phase: Phase;
}

/** What the runner does with the lines that a step prints. */
export class StepLog {
  phase: Phase = 'main';
  /** Of the phase in hand: a command that cannot be obeyed fails the step. */
  hasFailed = false;
  readonly outputs: Record<string, string> = {};
  readonly state: Record<string, string> = {};
  readonly masks: string[] = [];
  readonly annotations: Annotation[] = [];
  readonly groups: Group[] = [];
  readonly commands: ObeyedCommand[] = [];
  readonly shown: string[] = [];
  readonly raw: string[] = [];
  readonly #names = new Set(COMMAND_NAMES);
  #stopToken: string | undefined;
  #echo = false;
  #group: Group | undefined;

  read(line: string): void {
    this.raw.push(line);
    const command = parseCommand(line, this.#names);
    if (command === undefined || !this.#obey(command, line)) {
      this.#show(line);
    }
  }

  startPhase(phase: Phase): void {
    this.phase = phase;
    this.hasFailed = false;
    this.#group = undefined;
    this.#echo = false;
  }

  addMask(value: string): void {
    // The lines of a secret too: a child prints it line by line.
    for (const part of [value, ...value.split(/\r?\n/)]) {
      if (part.trim() !== '' && !this.masks.includes(part)) {
        this.masks.push(part);
      }
    }
  }

  /** Longest first, so that no rest of a longer secret stays. */
  mask(text: string): string {
    return this.masks
      .toSorted((a, b) => b.length - a.length)
      .reduce((masked, secret) => masked.replaceAll(secret, '***'), text);
  }

  annotate(level: Annotation['level'], message: string, title?: string): void {
    const masked = this.mask(message);
    this.annotations.push({
      level,
      ...(title === undefined ? {} : { title: this.mask(title) }),
      message: masked,
    });
    this.#show(`##[${level}]${masked}`);
  }

  fail(message: string): void {
    this.hasFailed = true;
    this.annotate('error', message);
  }

  /** @returns false when the line is to be shown like any other */
  #obey(command: WorkflowCommand, line: string): boolean {
    if (this.#stopToken !== undefined) {
      if (command.name !== this.#stopToken) {
        return false;
      }
      this.#names.delete(this.#stopToken);
      this.#stopToken = undefined;
      this.#show(line);
      return true;
    }
    this.commands.push({ ...command, phase: this.phase });
    if (this.#echo && !['add-mask', 'debug', 'error', 'notice', 'warning'].includes(command.name)) {
      this.#show(line);
    }
    const { name, properties, message } = command;
    switch (name) {
      case 'stop-commands':
        this.#stopToken = message.toLowerCase();
        this.#names.add(this.#stopToken);
        this.#show(line);
        break;
      case 'add-mask':
        if (message.trim() === '') {
          this.annotate('warning', "Can't add secret mask for empty string in ##[add-mask] command.");
        }
        this.addMask(message);
        break;
      case 'set-output':
        this.#set(this.outputs, command);
        break;
      case 'save-state':
        this.#set(this.state, command);
        break;
      case 'error':
      case 'warning':
      case 'notice':
        this.annotate(name, message, properties.title);
        break;
      case 'group':
        this.#show(`##[group]${message}`);
        this.#group = { name: this.mask(message), lines: [] };
        this.groups.push(this.#group);
        break;
      case 'endgroup':
        this.#group = undefined;
        this.#show('##[endgroup]');
        break;
      case 'echo':
        this.#echo = message.trim().toLowerCase() === 'on';
        break;
      case 'set-env':
      case 'add-path':
        this.fail(`Unable to process command '${line}' successfully. The \`${name}\` command is disabled.`);
        break;
      default:
        // debug is for those who ask for it; matchers are not modelled.
        break;
    }
    return true;
  }

  #set(target: Record<string, string>, { name, properties, message }: WorkflowCommand): void {
    if (properties.name === undefined) {
      this.fail(`Required field 'name' is missing in ##[${name}] command.`);
      return;
    }
    if (target === this.state || this.phase === 'main') {
      target[properties.name] = message;
    }
  }

  #show(line: string): void {
    const masked = this.mask(line);
    this.shown.push(masked);
    this.#group?.lines.push(masked);
  }
}
