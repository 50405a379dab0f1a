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

/** A log that tells of each preview once its follower has heard of it; nothing else is changed. */
export function watchPreviews(log: EventLog, tell: (topic: string, shown: string) => void): EventLog {
  return {
    join: (member, follower) =>
      log.join(member, {
        onLink: (link) => follower.onLink(link),
        onMessage: (message) => follower.onMessage(message),
        onPreview(message) {
          follower.onPreview(message)
          const { data } = JSON.parse(new TextDecoder().decode(message.data)) as { data: { to: string } }
          tell(message.topic, data.to)
        },
      }),
  }
}
