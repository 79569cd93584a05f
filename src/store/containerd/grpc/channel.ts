import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  type OutgoingHttpHeaders,
} from 'node:http2';
import { connect as connectSocket } from 'node:net';

/** Bytes that a stream may send ahead of its reader; HTTP/2's default is a sixteenth of one message of blob bytes. */
const windowBytes = 1024 * 1024;

/** In MB; Node's default of 10 refuses new streams while blobs are on their way. */
const sessionMemory = 1024;

/**
 * One HTTP/2 connection over a unix socket. It is made when it is first needed and again when it was lost; it keeps
 * the process alive only while a call is under way.
 */
export class Channel implements Disposable {
  readonly #socketPath: string;
  #session: ClientHttp2Session | undefined;
  /** Why the last connection was lost, or could not be made. */
  #problem: Error | undefined;
  #calls = 0;

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  get problem(): Error | undefined {
    return this.#problem;
  }

  open(headers: OutgoingHttpHeaders): ClientHttp2Stream {
    const held = this.#session;
    const session = held === undefined || held.closed || held.destroyed ? this.#connect() : held;
    const stream = session.request(headers);
    this.#calls += 1;
    session.ref();
    stream.once('close', () => {
      this.#calls -= 1;
      if (this.#calls === 0 && !session.destroyed) session.unref();
    });
    return stream;
  }

  [Symbol.dispose](): void {
    this.#session?.close();
    this.#session = undefined;
  }

  #connect(): ClientHttp2Session {
    this.#problem = undefined;
    const session = connect('http://localhost', {
      createConnection: () => connectSocket(this.#socketPath),
      maxSessionMemory: sessionMemory,
      settings: { enablePush: false, initialWindowSize: windowBytes },
    });
    const forget = () => {
      if (this.#session === session) this.#session = undefined;
    };
    session.once('connect', () => session.setLocalWindowSize(16 * windowBytes));
    session.on('error', (error) => {
      this.#problem = error;
      forget();
    });
    // Calls that are under way end by themselves; new ones belong on a new connection
    session.once('goaway', forget);
    session.once('close', forget);
    this.#session = session;
    return session;
  }
}
