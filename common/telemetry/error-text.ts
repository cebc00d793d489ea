/** What an error says, also one whose message is empty, as those of connections to several addresses are. */

/** A status that comes as a number stands before its reason: `404 Not Found`. Never empty. */
export function errorText(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { message, name, cause } = error;
  const { code } = error as { code?: string | number };
  if (message !== '')
    return typeof code === 'number' && !message.includes(String(code)) ? `${code} ${message}` : message;
  if (error instanceof AggregateError && error.errors.length > 0) {
    return [...new Set(error.errors.map(errorText))].join('; ');
  }
  if (cause !== undefined) return errorText(cause);
  return code === undefined ? name : String(code);
}
