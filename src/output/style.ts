import { styleText } from 'node:util';

/** Colours where they are wanted, and plain text where they are not. */
export interface Style {
  red(text: string): string;
  green(text: string): string;
  yellow(text: string): string;
  cyan(text: string): string;
  dim(text: string): string;
  bold(text: string): string;
}

export function createStyle(colored: boolean): Style {
  const as = (format: keyof Style) => (text: string) =>
    colored ? styleText(format, text, { validateStream: false }) : text;
  return {
    red: as('red'),
    green: as('green'),
    yellow: as('yellow'),
    cyan: as('cyan'),
    dim: as('dim'),
    bold: as('bold'),
  };
}
