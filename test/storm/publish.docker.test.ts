import { randomBytes } from 'node:crypto';
import * as fs from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseInputsKey } from '../../src/identity/inputs-key.ts';
import { commitTag, keyTag } from '../../src/identity/oci-names.ts';
import { type PublishedFile, publishFrames, sampleCheckout } from '../helpers/checkout.ts';
import { startNode } from '../helpers/cli.ts';
import { basicOf, LACKS_REGISTRY, PUBLISHER, startDockerRegistry } from '../helpers/docker-registry.ts';
import { tempDir } from '../helpers/temp-dir.ts';
import { type Place, runStorm, STORM_TIMEOUT_MS } from './storm.ts';

const CHILD = join(import.meta.dirname, 'publish-child.ts');
const TAG = commitTag('1'.repeat(40));
const FRAMES = Array.from({ length: 4 }, () => randomBytes(200_000));
const ACCEPT = ['image.index', 'image.manifest'].map((type) => `application/vnd.oci.${type}.v1+json`).join();

interface PublishPlace extends Place {
  /** In the registry, where every place has one of its own. */
  readonly repository: string;
}

interface Descriptor {
  readonly digest: string;
  readonly size: number;
}

test.skipIf(LACKS_REGISTRY)(
  'a publication that is killed at any moment leaves the tags at what they led to or at the new sidecar, whole',
  async () => {
    const registry = await startDockerRegistry({ auth: 'basic' });
    const headers = { accept: ACCEPT, authorization: basicOf(PUBLISHER) };
    const checkout = await sampleCheckout();
    const [old, wanted] = [await signedFrames(checkout, 0), await signedFrames(checkout, 1)];
    const start = ({ tmp, repository }: PublishPlace, env: NodeJS.ProcessEnv, { path } = wanted) => {
      const args = [registry.host, repository, TAG, path];
      return startNode(CHILD, args, { ...env, DOCKER_CONFIG: join(tmp, '..', 'docker') });
    };
    const read = async ({ repository }: PublishPlace, path: string) => {
      const answer = await fetch(`http://${registry.host}/v2/${repository}/${path}`, { headers });
      expect(answer.status, path).toBe(200);
      return answer;
    };
    /** The sidecar that a tag leads to, when all is there that belongs to it. */
    const sidecarAt = async (place: PublishPlace, tag: string): Promise<string> => {
      const { manifests = [] } = (await (await read(place, `manifests/${tag}`)).json()) as {
        manifests?: readonly Descriptor[];
      };
      const digests = manifests.length === 0 ? [tag] : manifests.map(({ digest }) => digest);
      const found: string[] = [];
      for (const digest of digests) {
        const { config, layers } = (await (await read(place, `manifests/${digest}`)).json()) as {
          config: Descriptor;
          layers: readonly [Descriptor, ...Descriptor[]];
        };
        for (const blob of [config, ...layers]) {
          const bytes = await (await read(place, `blobs/${blob.digest}`)).arrayBuffer();
          expect(bytes.byteLength).toBe(blob.size);
        }
        found.push(layers[0].digest);
      }
      expect(found).toHaveLength(1);
      return found[0] ?? '';
    };
    const key = keyTag(parseInputsKey(wanted.record.inputs?.key ?? ''));
    const tags = [TAG, key].flatMap((tag) => [tag, `${tag}-linux-amd64`]);
    const digestOf = ({ record }: PublishedFile) => `sha256:${record.sidecar.sha256}`;
    let count = 0;
    let allTags: unknown;
    await runStorm<PublishPlace>('publish', {
      // The registry loses a blob that two repositories get at the same moment.
      lanes: 1,
      place: async (tmp) => {
        count += 1;
        const dir = await tempDir();
        const login = { auths: { [registry.host]: PUBLISHER } };
        await fs.mkdir(join(dir, 'docker'));
        await fs.mkdir(join(dir, 'tmp'));
        await fs.writeFile(join(dir, 'docker/config.json'), JSON.stringify(login));
        const place = { tmp: join(dir, 'tmp'), store: join(dir, 'store'), repository: `acme/tools-${count}` };
        const first = await start(place, { TMPDIR: tmp }, old).ended;
        expect(first.exitCode, first.stderr).toBe(0);
        return place;
      },
      start,
      afterKill: async (place) => {
        for (const tag of tags) {
          expect([digestOf(old), digestOf(wanted)]).toContain(await sidecarAt(place, tag));
        }
      },
      afterNext: async (place, { stdout, stderr }) => {
        for (const tag of tags) {
          expect(await sidecarAt(place, tag)).toBe(digestOf(wanted));
        }
        const list = await (await read(place, 'tags/list')).json();
        // A signature's tag is named after the manifest, which holds the repository's name.
        const named = (list as { tags: string[] }).tags
          .map((tag) => tag.replace(/^sha256-.*/, 'sha256'))
          .sort();
        allTags ??= named;
        expect(named).toEqual(allTags);
        expect(stdout + stderr).not.toContain(PUBLISHER.password);
      },
    });
  },
  STORM_TIMEOUT_MS,
);

/** A sidecar of which one frame is like no other's, with something in the place of a bundle. */
async function signedFrames(checkout: Parameters<typeof publishFrames>[0], changed: number) {
  const sidecar = await publishFrames(checkout, FRAMES.with(changed, randomBytes(200_000)));
  await fs.writeFile(`${sidecar.path}.sigstore.json`, '{}');
  return sidecar;
}
