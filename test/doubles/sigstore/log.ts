import { sign } from 'node:crypto';
import { type KeyPair, sha256, spki } from './certificates.ts';

const ORIGIN = 'rekor.sigstore.dev';

export interface LogEntry {
  readonly body: string;
  readonly integratedTime: number;
  readonly logIndex: number;
  readonly logID: string;
  readonly verification: {
    readonly signedEntryTimestamp: string;
    readonly inclusionProof: {
      readonly logIndex: number;
      readonly treeSize: number;
      readonly rootHash: string;
      readonly hashes: readonly string[];
      readonly checkpoint: string;
    };
  };
}

/** A transparency log like Rekor v1: a Merkle tree (RFC 6962), promises and checkpoints. */
export class TransparencyLog {
  readonly #keys: KeyPair;
  readonly #leaves: Buffer[] = [];

  constructor(keys: KeyPair) {
    this.#keys = keys;
    // So that proofs have something to prove.
    this.#leaves.push(...['a', 'b', 'c'].map((text) => leafHash(Buffer.from(text))));
  }

  get id(): Buffer {
    return sha256(spki(this.#keys.publicKey));
  }

  add(body: Buffer, time: Date): LogEntry {
    this.#leaves.push(leafHash(body));
    const treeSize = this.#leaves.length;
    const logIndex = treeSize - 1;
    const promised = {
      body: body.toString('base64'),
      integratedTime: Math.floor(time.getTime() / 1000),
      logID: this.id.toString('hex'),
      logIndex,
    };
    const rootHash = treeHash(this.#leaves);
    return {
      ...promised,
      verification: {
        signedEntryTimestamp: this.#sign(JSON.stringify(promised)).toString('base64'),
        inclusionProof: {
          logIndex,
          treeSize,
          rootHash: rootHash.toString('hex'),
          hashes: proof(logIndex, this.#leaves).map((hash) => hash.toString('hex')),
          checkpoint: this.#checkpoint(treeSize, rootHash),
        },
      },
    };
  }

  #checkpoint(treeSize: number, rootHash: Buffer): string {
    const note = `${ORIGIN} - 1\n${treeSize}\n${rootHash.toString('base64')}\n`;
    const signature = Buffer.concat([this.id.subarray(0, 4), this.#sign(note)]);
    return `${note}\n\u2014 ${ORIGIN} ${signature.toString('base64')}\n`;
  }

  #sign(text: string): Buffer {
    return sign('sha256', Buffer.from(text), this.#keys.privateKey);
  }
}

/** The entry for an envelope, as Rekor stores it: hashes and signature without the payload. */
export function dsseBody(envelope: {
  readonly json: string;
  readonly payload: Buffer;
  readonly signature: string;
  readonly verifier: string;
}): Buffer {
  return Buffer.from(
    JSON.stringify({
      apiVersion: '0.0.1',
      kind: 'dsse',
      spec: {
        envelopeHash: { algorithm: 'sha256', value: sha256(Buffer.from(envelope.json)).toString('hex') },
        payloadHash: { algorithm: 'sha256', value: sha256(envelope.payload).toString('hex') },
        signatures: [{ signature: envelope.signature, verifier: envelope.verifier }],
      },
    }),
  );
}

function leafHash(body: Buffer): Buffer {
  return sha256(Buffer.from([0]), body);
}

function split(count: number): number {
  return 2 ** Math.floor(Math.log2(count - 1));
}

function treeHash(leaves: readonly Buffer[]): Buffer {
  const [only] = leaves;
  if (leaves.length === 1 && only !== undefined) {
    return only;
  }
  const middle = split(leaves.length);
  return sha256(Buffer.from([1]), treeHash(leaves.slice(0, middle)), treeHash(leaves.slice(middle)));
}

function proof(index: number, leaves: readonly Buffer[]): Buffer[] {
  if (leaves.length === 1) {
    return [];
  }
  const middle = split(leaves.length);
  return index < middle
    ? [...proof(index, leaves.slice(0, middle)), treeHash(leaves.slice(middle))]
    : [...proof(index - middle, leaves.slice(middle)), treeHash(leaves.slice(0, middle))];
}
