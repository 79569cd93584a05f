import { leave } from './read-bounded.ts';
import { protocolError } from './registry-errors.ts';
import type { Answer, Transport, TransportRequest } from './transport.ts';

const maxRedirects = 5;
const maxLocation = 8192;

export interface Followed {
  readonly answer: Answer;
  /** The other server that answered, where one was redirected to. */
  readonly by?: string | undefined;
}

interface Following {
  /** `isOwn`: it is still the server that was asked first, and the one that may see what is for it. */
  asked(url: URL, isOwn: boolean): TransportRequest;
  /** Where else not to go; absent: anywhere. */
  allows?(url: URL): boolean;
}

/** The answer to a GET, wherever it leads. @throws ImgctlError `registry_failed`, and those of `Transport` */
export async function followRedirects(
  transport: Transport,
  start: URL,
  { asked, allows = () => true }: Following,
): Promise<Followed> {
  let url = start;
  let isOwn = true;
  for (let redirects = 0; ; redirects += 1) {
    // Also where it leads back: that was not its own word
    isOwn &&= url.origin === start.origin;
    const answer = await transport.request(url, asked(url, isOwn));
    if (![301, 302, 303, 307, 308].includes(answer.statusCode))
      return { answer, by: isOwn ? undefined : url.host };
    await leave(answer);
    if (redirects === maxRedirects) throw protocolError(start.host, 'it redirects without end');
    const to = redirected(url, answer.headers.location);
    if (to === undefined || !allows(to))
      throw protocolError(url.host, 'it redirects to where nothing can be had safely');
    url = to;
  }
}

/** Nobody on the way may choose what is read: not from HTTPS to plain HTTP. */
function redirected(from: URL, location: string | string[] | undefined): URL | undefined {
  const text = typeof location === 'string' && location.length <= maxLocation ? location : '';
  const to = text !== '' && URL.canParse(text, from.href) ? new URL(text, from) : undefined;
  if (to?.protocol !== 'https:' && !(to?.protocol === 'http:' && from.protocol === 'http:')) return undefined;
  to.username = to.password = to.hash = '';
  return to;
}
