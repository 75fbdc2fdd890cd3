import { HttpClient } from '../../src/remote/http.ts';

export async function readUrl(url: string, firstRetryMs: number): Promise<string> {
  const http = new HttpClient({
    signal: new AbortController().signal,
    idleTimeoutMs: 500,
    firstRetryMs,
  });
  try {
    return (await http.read({ url }, 1000)).bytes.toString();
  } finally {
    http.close();
  }
}
