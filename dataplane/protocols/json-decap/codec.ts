/** The payload of an object that JSONEncap made. */

/** The payload, or undefined where this is not a JSON object with a string `payload`. Base64 is read leniently. */
export function decode(object: Buffer): Buffer | undefined {
  let value: unknown;
  try {
    value = JSON.parse(object.toString());
  } catch {
    return undefined;
  }
  if (typeof value !== 'object' || value === null || !Object.hasOwn(value, 'payload')) return undefined;
  const { payload } = value as { payload: unknown };
  return typeof payload === 'string' ? Buffer.from(payload, 'base64') : undefined;
}
