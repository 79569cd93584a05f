import { type ErrorContext, ImgctlError } from '../errors.ts';

/** A peer that sends back what it was told must not bring the token into an error. */
export function withoutSecret(error: ImgctlError, secret: string | undefined): ImgctlError {
  if (secret === undefined) return error;
  const { code, message, hint, context } = error;
  const told = [message, hint ?? '', ...Object.entries(context).flat(2)];
  if (!told.some((part) => String(part).includes(secret))) return error;
  const clean = (text: string) => text.replaceAll(secret, '[token]');
  const cleanValue = (value: ErrorContext[string]) =>
    typeof value === 'string' ? clean(value) : typeof value === 'object' ? value.map(clean) : value;
  return new ImgctlError(code, clean(message), {
    hint: hint === undefined ? undefined : clean(hint),
    context: Object.fromEntries(
      Object.entries(context).map(([key, value]) => [clean(key), cleanValue(value)]),
    ),
  });
}
