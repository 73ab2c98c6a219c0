import { errors, UndiciConnection } from '@elastic/elasticsearch';

type Request = UndiciConnection['request'];

/**
 * A connection to Elasticsearch, or to what stands before it, that may close what nobody has used for a while. Where
 * that crosses with our next request it is sent again, once: whatever we ask may be asked twice (documents are known by
 * their ids). Somebody who is away refuses that one as well.
 */
export class RepeatingConnection extends UndiciConnection {
  // A field, since its overloads differ in nothing that counts here.
  override request = (async (...[params, options]: Parameters<Request>) => {
    try {
      return await super.request(params, options);
    } catch (error) {
      if (!wasClosed(error) || options.signal?.aborted === true) throw error;
      return await super.request(params, options);
    }
  }) as Request;
}

/** By words, since that is all which the client keeps of undici's and the system's errors. */
function wasClosed(error: unknown): boolean {
  return (
    error instanceof errors.ConnectionError && /^(other side closed|read ECONNRESET|write EPIPE)/.test(error.message)
  );
}
