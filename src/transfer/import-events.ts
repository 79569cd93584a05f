import { errorToWire } from '../agent-api/errors.ts';
import type { ImportEvent } from '../agent-api/events.ts';
import { ImgctlError } from '../errors.ts';
import type { ImageEntry } from './image-entry.ts';

/** Terminal: what is there is kept for the next try. */
export function leftEvent(): ImportEvent {
  return {
    type: 'error',
    error: errorToWire(
      new ImgctlError('interrupted', 'the import was left unfinished', {
        hint: 'Run the same command again within an hour: what arrived is not sent again.',
      }),
    ),
  };
}

/** Where an image stands. */
export function imageEvent(entry: ImageEntry): ImportEvent {
  return { type: 'image', ...entry.status() };
}
