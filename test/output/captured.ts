import { Writable } from 'node:stream';
import type { DistributeEvent, NodeOutcome } from '../../src/distribute/outcome.ts';
import type { Digest } from '../../src/image/digest.ts';
import type { ArchiveSummary, ImportResult } from '../../src/output/reporter.ts';

/** A stream that keeps what is written to it, and can pass for a terminal. */
export class Captured extends Writable {
  text = '';
  writes: string[] = [];
  readonly isTTY: boolean;
  columns: number;
  rows: number;

  constructor(terminal?: { columns: number; rows: number }) {
    super({ decodeStrings: false });
    this.isTTY = terminal !== undefined;
    this.columns = terminal?.columns ?? 80;
    this.rows = terminal?.rows ?? 24;
  }

  get lines(): string[] {
    return this.text.replace(/\n$/, '').split('\n');
  }

  override _write(chunk: string, _encoding: string, done: () => void): void {
    this.text += chunk;
    this.writes.push(chunk);
    done();
  }
}

export const digest = `sha256:${'d'.repeat(64)}` as Digest;

export const archive: ArchiveSummary = {
  images: [{ name: 'docker.io/library/app:1', digest, platforms: ['linux/amd64'] }],
  blobs: 3,
  bytes: 5_000_000,
};

export function addressOf(name: string) {
  return { name, address: `${name}:25000` };
}

export function outcomeOf(node: string, more: Partial<NodeOutcome> = {}): NodeOutcome {
  return {
    node,
    address: `${node}:25000`,
    status: 'imported',
    images: [{ name: 'docker.io/library/app:1', digest, state: 'ready' }],
    bytesSent: 4_000_000,
    bytesFromPeers: 0,
    bytesSkipped: 1_000_000,
    durationMs: 1_234.5,
    warnings: [],
    ...more,
  };
}

export function resultOf(nodes: readonly NodeOutcome[], more: Partial<ImportResult> = {}): ImportResult {
  const ok = nodes.every(({ status }) => status === 'imported' || status === 'unchanged');
  return { ok, archive, nodes, advice: [], durationMs: 2_000, ...more };
}

export function progressOf(node: string, receivedBytes: number, missingBytes: number): DistributeEvent {
  return { type: 'progress', node, receivedBytes, missingBytes, skippedBytes: 0, imagesReady: 0, images: 1 };
}
