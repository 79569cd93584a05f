import { maxDocumentsPerRequestBytes } from './routes.ts';
import type { Declaration, More } from './schemas.ts';

/**
 * A declaration as one that opens an import and those that add to it, each small enough for a request. The images come
 * with the last documents: an import is over as soon as the images that it knows of are settled.
 */
export function splitDeclaration<T extends Declaration | More>(
  declaration: T,
): { readonly first: T; readonly rest: readonly More[] } {
  const { images = [], documents = [] } = declaration;
  const parts = split(documents, ({ data }) => bytesOf(data), maxDocumentsPerRequestBytes);
  const last = parts.pop() ?? [];
  const whole: More[] = [
    ...parts.map((documents) => ({ images: [], documents })),
    { images, documents: last },
  ];
  return { first: { ...declaration, ...whole[0] }, rest: whole.slice(1) };
}

export function documentsBytes({ documents = [] }: More): number {
  return documents.reduce((sum, { data }) => sum + bytesOf(data), 0);
}

function bytesOf(base64: string): number {
  return (base64.length * 3) / 4;
}

function split<T>(items: readonly T[], sizeOf: (item: T) => number, limit: number): T[][] {
  const parts: T[][] = [];
  let room = 0;
  for (const item of items) {
    const size = sizeOf(item);
    if (parts.length === 0 || size > room) {
      parts.push([]);
      room = limit;
    }
    parts.at(-1)?.push(item);
    room -= size;
  }
  return parts;
}
