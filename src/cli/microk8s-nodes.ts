import type { AgentClient } from '../agent-api/agent-client.ts';
import type { ClusterSettings } from '../config/settings.ts';
import type { DiscoveredNode } from '../discovery/discovery.ts';
import type { ArchiveNode, FindArchiveNode } from '../distribute/archive-node.ts';
import { hasCode } from '../errors.ts';
import type { Microk8sCredentials } from '../microk8s/credentials.ts';
import type { Reporter } from '../output/reporter.ts';
import { PacedBody } from '../streams/paced-body.ts';
import type { RateLimit } from '../streams/rate-limit.ts';
import type { CliIo } from './context.ts';
import { listableUnless, unlistable } from './microk8s-listing.ts';

export interface NodeWays {
  readonly node: AgentClient;
  readonly findArchiveNode?: FindArchiveNode | undefined;
}

interface DriverSettings extends ClusterSettings {
  /** Of all that is sent. */
  readonly uplink?: RateLimit | undefined;
}

/**
 * How nodes are spoken to (`--driver`). With `auto` an agent of ours is tried first, as always, and costs nothing more
 * where it answers: what it answers to that is kept for whoever asks next. Only where a stranger answers (a certificate
 * that is not known, another protocol, no API of ours) the peer is asked two questions without any secret, and if it is
 * MicroK8s's cluster agent, its credentials are looked for. Where they are not found, that is the node's error.
 */
export class NodeDrivers {
  readonly #settings: DriverSettings;
  readonly #io: CliIo;
  readonly #reporter: Reporter;
  #credentials: Promise<Microk8sCredentials> | undefined;
  #told = false;

  constructor(settings: DriverSettings, io: CliIo, reporter: Reporter) {
    this.#settings = settings;
    this.#io = io;
    this.#reporter = reporter;
  }

  /** Reads the files that were named. @throws ImgctlError `token_missing`, `certificate_invalid` */
  async prepare(): Promise<void> {
    const { driver, microk8sTokenFile, microk8sCaFile } = this.#settings;
    if (driver === 'imgctl' || (microk8sTokenFile ?? microk8sCaFile) === undefined) return;
    await this.#load();
    if (microk8sTokenFile === undefined) return;
    const { isReadableByAll, tellReadableByAll } = await import('../trust/token-file.ts');
    if (await isReadableByAll(microk8sTokenFile).catch(() => false))
      this.#reporter.warn(tellReadableByAll(microk8sTokenFile));
  }

  waysTo({ url }: DiscoveredNode, client: AgentClient): NodeWays {
    const { driver } = this.#settings;
    if (driver === 'imgctl') return { node: client };
    if (driver === 'microk8s') {
      const find = () => this.#archiveNode(url);
      return { node: unlistable(client), findArchiveNode: find };
    }
    let first: ReturnType<AgentClient['describe']> | undefined;
    const find = async (signal: AbortSignal) => {
      const asked = client.describe(signal);
      // Without a listener its failure would end the process, when nobody asks again
      asked.catch(() => {});
      const refusal = await asked.then(
        () => undefined,
        (error: unknown) => error,
      );
      if (await this.#isMicrok8s(url, refusal, signal)) return this.#archiveNode(url);
      first = asked;
      return undefined;
    };
    const describe: AgentClient['describe'] = (signal) => {
      const asked = first ?? client.describe(signal);
      first = undefined;
      return asked;
    };
    const own = { ...client, describe };
    return {
      node: listableUnless(own, (...asked) => this.#isMicrok8s(url, ...asked)),
      findArchiveNode: find,
    };
  }

  async #isMicrok8s(url: URL, refusal: unknown, signal: AbortSignal): Promise<boolean> {
    if (!hasCode(refusal, 'node_untrusted', 'node_not_agent')) return false;
    const { isMicrok8s } = await import('../microk8s/is-microk8s.ts');
    return isMicrok8s(url, signal);
  }

  async #archiveNode(url: URL): Promise<ArchiveNode> {
    const [{ createMicrok8sAgent }, { archiveLength, archiveStream }, credentials] = await Promise.all([
      import('../microk8s/microk8s-agent.ts'),
      import('../archive/archive-stream.ts'),
      this.#load(),
    ]);
    const agent = createMicrok8sAgent({ url, credentials });
    const flow = this.#settings.uplink?.flow();
    return {
      deadlineMs: agent.deadlineMs,
      check: async (signal) => {
        await agent.check(signal);
        this.#tell(agent.deadlineMs);
      },
      waitedAt: () => flow?.waitedAt ?? Number.NEGATIVE_INFINITY,
      import: (images, { source, signal, onLength, onBytes, onSent }) => {
        const length = archiveLength(images);
        onLength(length);
        const stream = archiveStream(images, source, signal);
        const body = flow === undefined ? stream : new PacedBody(stream, flow, signal);
        return agent.import({ length, body, signal, onBytes, onSent });
      },
    };
  }

  #load(): Promise<Microk8sCredentials> {
    const { microk8sTokenFile: tokenFile, microk8sCaFile: caFile } = this.#settings;
    this.#credentials ??= import('../microk8s/credentials.ts').then(({ findCredentials }) =>
      findCredentials({ tokenFile, caFile }, this.#io.env),
    );
    return this.#credentials;
  }

  #tell(deadlineMs: number): void {
    if (this.#told) return;
    this.#told = true;
    this.#reporter.note(
      `Nodes of MicroK8s: its own agent takes the images. Everything is sent each time, upload and import together have ${deadlineMs / 1000} s there, and what it made of them cannot be verified.`,
    );
  }
}
