import { cacheNewsOf, cacheNewsText } from '../../ports/cache-news.ts'
import type { EventLog } from '../../ports/event-log.ts'
import type { Logger } from '../../ports/logger.ts'
import type { NewsChannel } from './two-tier-cache.ts'

const kind = 'invalidate'

/** News over the broadcasts of a fleet's log, which stores none of them. */
export function logNews(
  log: EventLog,
  member: { readonly fleet: string; readonly instance: string; readonly logger: Logger },
): NewsChannel {
  const membership = log.join(member, { onLink() {}, onPreview() {}, onMessage() {} })
  return {
    tell: (news) => membership.broadcast(kind, new TextEncoder().encode(cacheNewsText(news))),
    hear: (listener) =>
      membership.listen(kind, (data) => {
        const news = cacheNewsOf(new TextDecoder().decode(data))
        if (news !== undefined) listener(news)
      }),
    close: () => membership.leave(),
  }
}
