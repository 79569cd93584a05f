import { randomBytes } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { rename, rm, stat } from 'node:fs/promises';
import type { Writable } from 'node:stream';
import { finished } from 'node:stream/promises';
import { ImgctlError } from '../errors.ts';
import type { CliIo } from './context.ts';
import { ofOutput } from './export-images.ts';
import type { OutputOptions } from './options.ts';

/** Where an archive is written to. Without `publish` nothing is left. */
export interface ExportTarget extends AsyncDisposable {
  readonly label: string;
  readonly isStandardOutput: boolean;
  readonly stream: Writable;
  /** The archive is whole: it appears under its name, all at once. */
  publish(): Promise<void>;
}

/** What waits for the disk at most, while the next bytes come. */
const bufferBytes = 4 * 1024 * 1024;

/** @throws ImgctlError `usage`: a terminal, JSON beside the archive, a file that cannot be written */
export async function openExportTarget(
  file: string,
  { output }: Pick<OutputOptions, 'output'>,
  { stdout }: CliIo,
): Promise<ExportTarget> {
  if (file === '-') return standardOutput(stdout, output);
  const stats = await stat(file).catch(() => undefined);
  if (stats?.isDirectory()) {
    throw new ImgctlError('usage', `${file} cannot be written: it is a directory`, {
      hint: 'Name the file in it.',
    });
  }
  const isDevice = stats !== undefined && !stats.isFile();
  // A pipe or a device is written as it is: there is nothing to put in its place
  const path = isDevice ? file : `${file}.${randomBytes(4).toString('hex')}.partial`;
  const stream = createWriteStream(path, {
    flags: isDevice ? 'w' : 'wx',
    flush: !isDevice,
    highWaterMark: bufferBytes,
  });
  let published = false;
  // Without a listener the error of opening it would end the process
  stream.on('error', () => {});
  await opened(stream, file);
  return {
    label: file,
    isStandardOutput: false,
    stream,
    publish: async () => {
      stream.end();
      // A small archive meets a full disk only here
      await finished(stream).catch((error: unknown) => {
        throw ofOutput(error, stream);
      });
      if (!isDevice) await rename(path, file);
      published = true;
    },
    [Symbol.asyncDispose]: async () => {
      stream.destroy();
      if (!isDevice && !published) await rm(path, { force: true });
    },
  };
}

function standardOutput(stdout: CliIo['stdout'], output: OutputOptions['output']): ExportTarget {
  if (stdout.isTTY) {
    throw new ImgctlError('usage', 'an archive is not for a terminal', {
      hint: 'Name a file, or send standard output to one: > images.tar',
    });
  }
  if (output !== 'text') {
    throw new ImgctlError('usage', `--output ${output} and the archive cannot both go to standard output`, {
      hint: 'Name a file for the archive.',
    });
  }
  return {
    label: 'standard output',
    isStandardOutput: true,
    stream: stdout,
    publish: async () => {},
    [Symbol.asyncDispose]: async () => {},
  };
}

function opened(stream: ReturnType<typeof createWriteStream>, file: string): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.once('open', () => resolve());
    stream.once('error', (cause: NodeJS.ErrnoException) =>
      reject(
        new ImgctlError('usage', `${file} cannot be written: ${cause.message}`, {
          hint: 'Name a file in a directory that you may write to.',
          cause,
        }),
      ),
    );
  });
}
