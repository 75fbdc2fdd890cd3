import * as z from 'zod/mini';
import { BottleError } from '../errors.ts';
import { isSameRepository, type PackRecord } from '../identity/pack-record.ts';
import { apiRequest, repositoryPath, sendApi } from '../remote/github.ts';
import { unlessMissing } from '../remote/http-error.ts';
import type { ConfirmedName } from '../trust/judge.ts';
import type { SourceTools, Wanted } from './source.ts';

const repositorySchema = z.object({ id: z.int() });

/**
 * A repository that was renamed or transferred keeps its ID, and GitHub leads from its old name to it. Undefined when
 * the record names the wanted repository, or another one, or GitHub cannot be asked.
 */
export async function confirmOtherName(
  { source }: PackRecord,
  { repository }: Pick<Wanted, 'repository'>,
  tools: SourceTools,
): Promise<ConfirmedName | undefined> {
  if (source === undefined || repository === undefined || isSameRepository(source.repository, repository)) {
    return undefined;
  }
  const ours = await repositoryId(repository, tools);
  const theirs = ours && (await repositoryId(source.repository, tools));
  return ours !== undefined && ours === theirs
    ? { repository: source.repository, repositoryId: ours }
    : undefined;
}

async function repositoryId(name: string, { http, github }: SourceTools): Promise<string | undefined> {
  try {
    const path = `repos/${repositoryPath(name)}`;
    // One try: without an answer it is another repository.
    const found = await unlessMissing(sendApi(http, github, apiRequest(github, path), repositorySchema));
    return found && String(found.id);
  } catch (error) {
    if (error instanceof BottleError) {
      return undefined;
    }
    throw error;
  }
}
