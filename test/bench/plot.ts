/** A plot of a few lines as SVG, readable on light and on dark: colors of middle brightness, no background. */
export interface Plot {
  readonly title: string;
  /** What the axes count. */
  readonly x: string;
  readonly y: string;
  readonly lines: readonly PlotLine[];
}

interface PlotLine {
  readonly name: string;
  readonly color: string;
  readonly dashed?: boolean;
  readonly points: readonly (readonly [x: number, y: number])[];
}

const [width, height] = [720, 400];
const [left, right, top, bottom] = [56, 110, 44, 44];
const ink = '#757575';

export function plot({ title, x, y, lines }: Plot): string {
  const all = lines.flatMap(({ points }) => points);
  const most = [0, 1].map((axis) => Math.max(1, ...all.map((point) => point[axis] ?? 0)));
  const [stepX, stepY] = most.map((value) => roundStep(value / 5)) as [number, number];
  const endX = most[0] ?? 1;
  const endY = Math.ceil((most[1] ?? 1) / stepY) * stepY;
  const atX = (value: number) => left + (value / endX) * (width - left - right);
  const atY = (value: number) => height - bottom - (value / endY) * (height - top - bottom);
  const ticksX = [...new Set(all.map(([value]) => value))].filter(
    (value) => value === 1 || value >= stepX / 2,
  );
  const ticksY = Array.from({ length: Math.round(endY / stepY) + 1 }, (_, i) => i * stepY);
  const labels = apart(lines.map(({ points }) => atY(points.at(-1)?.[1] ?? 0)));
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" font-family="system-ui, sans-serif" font-size="13">`,
    `<title>${escaped(title)}</title>`,
    text(left, 22, title, { size: 15 }),
    ...ticksY.map(
      (value) =>
        `<path d="M${left} ${atY(value)}H${width - right}" stroke="${ink}" stroke-opacity="0.3"/>` +
        text(left - 8, atY(value) + 4, String(value), { anchor: 'end' }),
    ),
    ...ticksX.map((value) => text(atX(value), height - bottom + 18, String(value), { anchor: 'middle' })),
    text((left + width - right) / 2, height - 8, x, { anchor: 'middle' }),
    text(left, top - 8, y, { anchor: 'end' }),
    ...lines.map(({ color, dashed, points }) => {
      const path = points.map(
        ([px, py], i) => `${i === 0 ? 'M' : 'L'}${atX(px).toFixed(1)} ${atY(py).toFixed(1)}`,
      );
      const dots = dashed ? [] : points.map(([px, py]) => dot(atX(px), atY(py), color));
      const dash = dashed ? ' stroke-dasharray="6 5"' : '';
      return `<path d="${path.join('')}" fill="none" stroke="${color}" stroke-width="2.5"${dash}/>${dots.join('')}`;
    }),
    ...lines.map(({ name, color }, i) => text(width - right + 10, (labels[i] ?? 0) + 4, name, { color })),
    '</svg>\n',
  ].join('\n');
}

/** 1, 2 or 5 times a power of ten, no smaller than that. */
function roundStep(value: number): number {
  const power = 10 ** Math.floor(Math.log10(value));
  return ([1, 2, 5, 10].find((step) => step * power >= value) ?? 10) * power;
}

/** Moves places for lines of text apart, where they would be written over each other; in the order of `places`. */
function apart(places: readonly number[]): number[] {
  const order = places.map((_, i) => i).sort((a, b) => (places[a] ?? 0) - (places[b] ?? 0));
  const moved = [...places];
  for (let pass = 0; pass < 50; pass += 1)
    for (const [at, i] of order.entries()) {
      const below = order[at + 1];
      if (below === undefined) continue;
      const lacking = 17 - ((moved[below] ?? 0) - (moved[i] ?? 0));
      if (lacking <= 0) continue;
      moved[i] = (moved[i] ?? 0) - lacking / 2;
      moved[below] = (moved[below] ?? 0) + lacking / 2;
    }
  return moved;
}

function text(
  x: number,
  y: number,
  content: string,
  { anchor = 'start', color = ink, size }: { anchor?: string; color?: string; size?: number } = {},
): string {
  const font = size === undefined ? '' : ` font-size="${size}" font-weight="600"`;
  return `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}" fill="${color}" text-anchor="${anchor}"${font}>${escaped(content)}</text>`;
}

function dot(x: number, y: number, color: string): string {
  return `<circle cx="${x.toFixed(1)}" cy="${y.toFixed(1)}" r="3.5" fill="${color}"/>`;
}

function escaped(content: string): string {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
}
