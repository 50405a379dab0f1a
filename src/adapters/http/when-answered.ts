import type { ServerResponse } from 'node:http'

/**
 * Runs once, when an answer was handed over as a whole. Not for one that a client did not wait for: whoever hangs up
 * early has had the work done all the same, and would have no limit if that did not count.
 */
export function whenAnswered(response: Pick<ServerResponse, 'once' | 'writableEnded'>, run: () => void): void {
  // HTTP/1 says `finish` of whole answers alone; HTTP/2 says it of every stream that closes.
  response.once('finish', () => {
    if (response.writableEnded) run()
  })
}
