import type { AgentClient } from '../agent-api/agent-client.ts';
import { ImgctlError } from '../errors.ts';

/** What MicroK8s's own agent is not asked, because it cannot answer: the error says what can. */

/** A node that is known to be MicroK8s's. */
export function unlistable(client: AgentClient): AgentClient {
  return {
    ...client,
    images: async () => Promise.reject(cannot('list images', 'microk8s ctr images ls')),
    removeImage: async (name) => Promise.reject(cannot('remove images', `microk8s ctr images rm ${name}`)),
  };
}

/** A node of which it is not known yet: what it answers says. */
export function listableUnless(
  client: AgentClient,
  isMicrok8s: (refusal: unknown, signal: AbortSignal) => Promise<boolean>,
): AgentClient {
  const guarded = async <T>(work: Promise<T>, error: () => ImgctlError, signal?: AbortSignal): Promise<T> => {
    try {
      return await work;
    } catch (refusal) {
      if (await isMicrok8s(refusal, signal ?? new AbortController().signal)) throw error();
      throw refusal;
    }
  };
  return {
    ...client,
    images: (signal) =>
      guarded(client.images(signal), () => cannot('list images', 'microk8s ctr images ls'), signal),
    removeImage: (name, signal) =>
      guarded(
        client.removeImage(name, signal),
        () => cannot('remove images', `microk8s ctr images rm ${name}`),
        signal,
      ),
  };
}

function cannot(what: string, command: string): ImgctlError {
  return new ImgctlError('node_not_agent', `MicroK8s's own agent cannot ${what}`, {
    hint: `Use ${command} on that node, or run an imgctl agent there on another port (--agent-port).`,
  });
}
