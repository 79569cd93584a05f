import { request } from 'undici';
import type { TestAgent } from './test-agent.ts';

export interface PlainAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly text: string;
  /** Of the error body, where it is one. */
  readonly code: string | undefined;
}

interface PlainRequest {
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';
  readonly headers?: Record<string, string>;
  readonly body?: string | Uint8Array;
}

/** A request as any HTTP client would send it, with the agent's token unless other headers are given. */
export async function ask(agent: TestAgent, path: string, options: PlainRequest = {}): Promise<PlainAnswer> {
  const { method = 'GET', headers = { authorization: `Bearer ${agent.token}` }, body } = options;
  const answer = await request(new URL(path, agent.url), { method, headers, body: body ?? null });
  const text = await answer.body.text();
  return { status: answer.statusCode, headers: answer.headers, text, code: codeOf(text) };
}

function codeOf(text: string): string | undefined {
  try {
    return JSON.parse(text).error?.code;
  } catch {
    return undefined;
  }
}
