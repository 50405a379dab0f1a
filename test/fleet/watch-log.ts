import type { EventLog } from '../../src/index.ts'

/** The last message of a breaker, as it was shown before the replay, and where the breaker stood just after. */
export interface SeenPreview {
  readonly instance: string
  readonly breaker: string
  /** The mode that the message leads to. */
  readonly shown: string
  /** The mode that the instance goes by. */
  readonly mode: string
  readonly seenMs: number
}

/** What became of what was appended. */
export type Appended = 'stored' | 'conflict' | 'unknown'

export interface LogWatcher {
  /** The follower has heard of a preview. */
  onPreview(topic: string, shown: string): void
  onAppended(what: Appended): void
}

/** A log that tells what goes through it; nothing is changed. */
export function watchLog(log: EventLog, watcher: LogWatcher): EventLog {
  return {
    join(member, follower) {
      const membership = log.join(member, {
        onLink: (link) => follower.onLink(link),
        onMessage: (message) => follower.onMessage(message),
        onPreview(message) {
          follower.onPreview(message)
          const { data } = JSON.parse(new TextDecoder().decode(message.data)) as { data: { to: string } }
          watcher.onPreview(message.topic, data.to)
        },
      })
      return {
        ...membership,
        async append(message) {
          try {
            const result = await membership.append(message)
            watcher.onAppended(result.status)
            return result
          } catch (error) {
            watcher.onAppended('unknown')
            throw error
          }
        },
      }
    },
  }
}
