import { Counter, collectDefaultMetrics, Gauge, Histogram, Registry } from 'prom-client';
import type { ImportSummary } from './import-record.ts';

/** What Prometheus reads. A registry of its own: two agents in one process (tests, the demo) do not mix. */
export class AgentMetrics {
  readonly #registry = new Registry();
  readonly #imports = new Counter({
    name: 'imgctl_imports_total',
    help: 'Imports that ended, by outcome',
    labelNames: ['outcome'],
    registers: [this.#registry],
  });
  readonly #receivedBytes = new Counter({
    name: 'imgctl_received_bytes_total',
    help: 'Bytes of blobs and archives that clients sent',
    registers: [this.#registry],
  });
  readonly #bytesFromPeers = new Counter({
    name: 'imgctl_peer_received_bytes_total',
    help: 'Bytes of blobs that other agents sent because this one asked for them',
    registers: [this.#registry],
  });
  readonly #bytesFromRegistries = new Counter({
    name: 'imgctl_registry_received_bytes_total',
    help: 'Bytes of blobs that registries sent because this agent asked for them',
    registers: [this.#registry],
  });
  readonly #blobs = new Counter({
    name: 'imgctl_blobs_received_total',
    help: 'Blobs that came whole and verified',
    registers: [this.#registry],
  });
  readonly #directoryReads = new Counter({
    name: 'imgctl_images_dir_reads_total',
    help: 'Files of the images directory that were read, by outcome',
    labelNames: ['outcome'],
    registers: [this.#registry],
  });
  readonly #requests = new Histogram({
    name: 'imgctl_http_request_duration_seconds',
    help: 'How long requests took, by route',
    labelNames: ['method', 'route', 'status'],
    buckets: [0.005, 0.05, 0.5, 5, 50, 500],
    registers: [this.#registry],
  });

  constructor({
    activeImports,
    certificateEnd,
    directoryFiles,
  }: {
    readonly activeImports: () => number;
    /** Undefined without TLS. */
    readonly certificateEnd: () => Date | undefined;
    /** The state of each file of the images directory; undefined without one. */
    readonly directoryFiles: () => readonly string[] | undefined;
  }) {
    collectDefaultMetrics({ register: this.#registry });
    new Gauge({
      name: 'imgctl_imports_active',
      help: 'Imports that are open and not finished',
      registers: [this.#registry],
      collect() {
        this.set(activeImports());
      },
    });
    new Gauge({
      name: 'imgctl_images_dir_files',
      help: 'Files of the images directory, by state',
      labelNames: ['state'],
      registers: [this.#registry],
      collect() {
        this.reset();
        for (const state of directoryFiles() ?? []) this.inc({ state });
      },
    });
    if (certificateEnd() === undefined) return;
    new Gauge({
      name: 'imgctl_certificate_not_after_seconds',
      help: "When the agent's certificate expires, in seconds since 1970",
      registers: [this.#registry],
      collect() {
        this.set(Math.floor((certificateEnd()?.getTime() ?? 0) / 1000));
      },
    });
  }

  importEnded({ outcome }: Pick<ImportSummary, 'outcome'>): void {
    this.#imports.inc({ outcome });
  }

  directoryFileRead(outcome: ImportSummary['outcome']): void {
    this.#directoryReads.inc({ outcome });
  }

  blobReceived(): void {
    this.#blobs.inc();
  }

  bytesReceived(bytes: number): void {
    this.#receivedBytes.inc(bytes);
  }

  bytesFromPeers(bytes: number): void {
    this.#bytesFromPeers.inc(bytes);
  }

  bytesFromRegistries(bytes: number): void {
    this.#bytesFromRegistries.inc(bytes);
  }

  requestEnded(labels: { method: string; route: string; status: number }, seconds: number): void {
    this.#requests.observe(labels, seconds);
  }

  get contentType(): string {
    return this.#registry.contentType;
  }

  text(): Promise<string> {
    return this.#registry.metrics();
  }
}
