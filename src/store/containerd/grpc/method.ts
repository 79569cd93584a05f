import type { Message } from './message.ts';

/** One remote procedure: its path, and how its messages are encoded. */
export interface Method<Q, R> {
  /** `/package.Service/Method` */
  readonly path: string;
  readonly request: Message<Q>;
  readonly response: Message<R>;
}

/** The methods of one service: `service('containerd.services.content.v1.Content')('Info', InfoRequest, InfoResponse)`. */
export function service(name: string) {
  return <Q, R>(method: string, request: Message<Q>, response: Message<R>): Method<Q, R> => ({
    path: `/${name}/${method}`,
    request,
    response,
  });
}
