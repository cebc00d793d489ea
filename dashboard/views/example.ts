/** What an editor of new objects begins with. */

/** Objects that echo what they are sent, by a name that none of `taken` has: applying them changes no other. */
export function exampleOf(taken: Iterable<string>): string {
  const names = new Set(taken);
  let name = 'echo';
  for (let number = 2; names.has(name); number++) name = `echo-${number}`;
  return `# Objects as in files for l7mp apply.
listeners:
  - name: ${name}
    spec: { protocol: TCP, address: 127.0.0.1, port: 0 }
    rules: [{ action: { route: { destination: ${name} } } }]
clusters:
  - name: ${name}
    spec: { protocol: Echo }
`;
}
