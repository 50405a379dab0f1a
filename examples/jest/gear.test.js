import * as fc from 'fast-check'
import { http, laws, ok, thrown, timedOut, verify } from 'switchgear/testing'
import { charge } from './charge.js'
import { config } from './gear.js'

verify(test, {
  config,
  handlers: { pay: (_call, respond) => charge(respond) },
  outcomes: fc.constantFrom(ok({ receipt: 'r-1' }), http(503), timedOut(), thrown('the connection was reset')),
  laws: [laws.breaker, laws.probe, laws.retry, laws.limiter],
  skip: { 'limiter.deadline': 'the limiter is in memory here' },
  budget: { runs: 100, ms: 3_000 },
})
