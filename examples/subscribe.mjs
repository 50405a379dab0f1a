// Follows the circuit breakers of a fleet from a service that does not use Switchgear, in any language with a NATS
// client: subscribe to one subject, read JSON. Here with the plain client of NATS for Node.js:
//
//   npm install @nats-io/transport-node
//   NATS_URL=nats://127.0.0.1:4222 FLEET=alerts node subscribe.mjs
//
// docs/asyncapi.yaml describes the messages.
import { connect } from '@nats-io/transport-node'

const { NATS_URL = 'nats://127.0.0.1:4222', FLEET = 'default' } = process.env
const subject = `switchgear.v1.${FLEET}.transitions.>`

// The server publishes each stored transition once more on this subject, at most once: what happens while we are not
// connected is not seen here. Who needs all of it reads the stream SWITCHGEAR_<fleet>.
const connection = await connect({ servers: NATS_URL.split(','), maxReconnectAttempts: -1 })
const transitions = connection.subscribe(subject)
await connection.flush()
console.log(`listening on ${subject}`)

// Draining ends the loop below once everything that has arrived is read.
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => void connection.drain())

for await (const message of transitions) {
  try {
    // A CloudEvent. Order by the sequence, never by `time`; pass over types and fields that you do not know.
    const { type, data } = message.json()
    const sequence = message.headers?.get('Nats-Sequence')
    const who = data.order?.by ?? data.by
    console.log(
      `${sequence} ${breakerOf(message.subject)} ${data.from} -> ${data.to} by ${who}: ${data.reason} (${type})`,
    )
  } catch (error) {
    console.error(`passed over a message on ${message.subject}: ${error.message}`)
  }
}

// The breaker is the last token of the subject: letters, digits, _ and - stand for themselves, and every other byte of
// its name in UTF-8 is =HH.
function breakerOf(subject) {
  const token = subject.split('.').at(-1)
  return token === '=' ? '' : decodeURIComponent(token.replaceAll('=', '%'))
}
