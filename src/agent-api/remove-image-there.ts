import { hasCode } from '../errors.ts';
import type { AgentHttp } from './agent-http.ts';
import { routes } from './routes.ts';
import { removeAnswerSchema } from './schemas.ts';

/** A name that is not there is no failure of who wants it gone. */
export async function removeImageThere(
  http: AgentHttp,
  name: string,
  signal?: AbortSignal,
): Promise<boolean> {
  try {
    const answer = await http.json('DELETE', routes.image(name), { schema: removeAnswerSchema, signal });
    return answer.removed;
  } catch (error) {
    if (hasCode(error, 'image_unknown')) return false;
    throw error;
  }
}
