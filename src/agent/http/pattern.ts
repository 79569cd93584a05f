/** A path of agent-api's routes, made with parameters for values (`:id`), as the router wants it: not encoded. */
export function pattern(path: string): string {
  return path.replaceAll('%3A', ':').replaceAll('%2A', '*');
}
