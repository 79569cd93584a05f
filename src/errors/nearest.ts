/** What was probably meant by a word that nobody knows: for hints. */

/** At most so many names are listed in a hint: a cluster may have thousands. */
const listed = 12;

/** The known word that is nearest to `word`, if any is near. Letter case does not count. */
export function nearest(word: string, known: Iterable<string>): string | undefined {
  const wanted = word.toLowerCase().slice(0, 300);
  // A third of the letters may be wrong, else it is another word
  let least = Math.floor(wanted.length / 3) + 1;
  let found: string | undefined;
  for (const candidate of known) {
    if (Math.abs(candidate.length - wanted.length) >= least) continue;
    const edits = editDistance(wanted, candidate.toLowerCase());
    if (edits < least) [least, found] = [edits, candidate];
  }
  return found;
}

/** `a, b, c and 997 more` */
export function listNames(names: readonly string[]): string {
  const shown = names.slice(0, listed).join(', ');
  return names.length > listed ? `${shown} and ${names.length - listed} more` : shown;
}

/** `Did you mean X? ` where something is near, then what there is. */
export function suggest(word: string, known: readonly string[], what: string): string {
  const near = nearest(word, known);
  const all = known.length === 0 ? `There are no ${what}.` : `There are: ${listNames(known)}.`;
  return near === undefined ? all : `Did you mean ${near}? ${all}`;
}

/** Letters to insert, remove, replace or swap with their neighbour (optimal string alignment). */
function editDistance(a: string, b: string): number {
  let [before, last] = [[] as number[], Array.from({ length: b.length + 1 }, (_, j) => j)];
  for (let i = 1; i <= a.length; i++) {
    const row = [i];
    for (let j = 1; j <= b.length; j++) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min((last[j] ?? 0) + 1, (row[j - 1] ?? 0) + 1, (last[j - 1] ?? 0) + (same ? 0 : 1));
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, (before[j - 2] ?? 0) + 1);
      row.push(cost);
    }
    [before, last] = [last, row];
  }
  return last[b.length] ?? 0;
}
