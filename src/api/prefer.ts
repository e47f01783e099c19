/** Longest wait that is honored; proxies often cut a silent connection after this. */
const MAX_WAIT_SECONDS = 60;

/**
 * The wait of a `Prefer` header (RFC 7240): whole seconds, at most {@link MAX_WAIT_SECONDS}.
 * A preference that cannot be read is no error and counts as absent.
 */
export function preferredWaitSeconds(header: string | undefined): number | undefined {
  for (const preference of (header ?? '').split(',')) {
    const match = /^\s*wait\s*=\s*"?(\d{1,9})"?\s*(;|$)/i.exec(preference);
    if (match !== null) return Math.min(Number(match[1]), MAX_WAIT_SECONDS);
  }
  return undefined;
}
