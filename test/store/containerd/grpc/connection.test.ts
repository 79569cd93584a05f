import { mkdtempSync, rmSync } from 'node:fs';
import { createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { Connection } from '../../../../src/store/containerd/grpc/connection.ts';
import { string } from '../../../../src/store/containerd/grpc/fields.ts';
import { frame } from '../../../../src/store/containerd/grpc/frames.ts';
import { message } from '../../../../src/store/containerd/grpc/message.ts';
import { service } from '../../../../src/store/containerd/grpc/method.ts';

const Text = message({ text: string(1) });
const echo = service('test.Service')('Echo', Text, Text);

describe('a gRPC connection', () => {
  let folder: string;
  let server: Http2Server;
  let connection: Connection;
  let answer: (stream: ServerHttp2Stream) => void;
  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'imgctl-grpc-'));
    server = createServer();
    server.on('stream', (stream) => {
      stream.on('error', () => {});
      stream.resume();
      answer(stream);
    });
    await new Promise<void>((resolve) => server.listen(join(folder, 'socket'), resolve));
    connection = new Connection(join(folder, 'socket'), 'k8s.io');
  });
  afterEach(() => {
    connection[Symbol.dispose]();
    server.close();
    rmSync(folder, { recursive: true, force: true });
  });

  /** Messages, then trailers. */
  const answerWith = (texts: readonly string[], trailers: Record<string, string>) => {
    answer = (stream) => {
      stream.respond({ 'content-type': 'application/grpc' }, { waitForTrailers: true });
      stream.on('wantTrailers', () => stream.sendTrailers(trailers));
      for (const text of texts) for (const piece of frame(Text.encode({ text }))) stream.write(piece);
      stream.end();
    };
  };

  it('gives the answer of a call', async () => {
    answerWith(['hello'], { 'grpc-status': '0' });
    expect(await connection.unary(echo, { text: 'hi' })).toEqual({ text: 'hello' });
  });

  it('gives the answers of a stream, in order', async () => {
    const texts = Array.from({ length: 500 }, (_, i) => `${i} ${'x'.repeat(i * 20)}`);
    answerWith(texts, { 'grpc-status': '0' });
    const answers = await Array.fromAsync(connection.stream(echo, {}));
    expect(answers.map(({ text }) => text)).toEqual(texts);
  });

  it.each([
    ['in the trailers', false],
    ['in the headers, without a body', true],
  ])('fails with the status that stands %s', async (_, isAtOnce) => {
    const failure = { 'grpc-status': '9', 'grpc-message': 'unexpected %C3%A4 digest' };
    if (isAtOnce) answer = (stream) => stream.respond(failure, { endStream: true });
    else answerWith([], failure);
    await expect(connection.unary(echo, {})).rejects.toMatchObject({
      code: 'store_failed',
      message: expect.stringContaining('unexpected ä digest'),
    });
  });

  it('fails when the answer breaks off', async () => {
    answer = (stream) => {
      stream.respond({ 'content-type': 'application/grpc' });
      stream.write(Buffer.from([0, 0, 0, 0, 9, 1]));
      stream.session?.destroy();
    };
    await expect(connection.unary(echo, {})).rejects.toMatchObject({ code: 'store_unreachable' });
  });

  it('connects again after the connection was lost', async () => {
    answer = (stream) => stream.session?.destroy();
    await expect(connection.unary(echo, {})).rejects.toMatchObject({ code: 'store_unreachable' });
    answerWith(['back'], { 'grpc-status': '0' });
    expect(await connection.unary(echo, {})).toEqual({ text: 'back' });
  });

  it('says so when what listens is no gRPC server', async () => {
    answer = (stream) => stream.respond({ ':status': 404 }, { endStream: true });
    await expect(connection.unary(echo, {})).rejects.toThrow('HTTP status 404');
  });

  it('gives up when no answer comes in time', async () => {
    answer = () => {};
    await expect(connection.unary(echo, {}, { timeoutMs: 50 })).rejects.toMatchObject({
      code: 'store_unreachable',
      message: expect.stringContaining('no answer within 0.05 s'),
    });
  });

  it.each(['unary', 'stream'] as const)('ends a %s call on the signal, with its reason', async (kind) => {
    const cancelled = new Promise<number>((resolve) => {
      answer = (stream) => stream.on('close', () => resolve(stream.rstCode));
    });
    const signal = AbortSignal.timeout(50);
    const call =
      kind === 'unary'
        ? connection.unary(echo, {}, { signal })
        : Array.fromAsync(connection.stream(echo, {}, { signal }));
    await expect(call).rejects.toMatchObject({ name: 'TimeoutError' });
    expect(await cancelled).toBe(8);
  });

  it('cancels a stream that is not read to its end', async () => {
    const cancelled = new Promise<number>((resolve) => {
      answer = (stream) => {
        stream.on('close', () => resolve(stream.rstCode));
        stream.respond({ 'content-type': 'application/grpc' });
        for (const piece of frame(Text.encode({ text: 'first' }))) stream.write(piece);
      };
    });
    for await (const { text } of connection.stream(echo, {})) {
      expect(text).toBe('first');
      break;
    }
    expect(await cancelled).toBe(8);
  });

  it('says that nobody listens', async () => {
    using nowhere = new Connection(join(folder, 'nothing'), 'k8s.io');
    await expect(nowhere.unary(echo, {})).rejects.toMatchObject({
      code: 'store_unreachable',
      message: expect.stringContaining('ENOENT'),
      hint: expect.stringContaining('systemctl status containerd'),
    });
  });
});
