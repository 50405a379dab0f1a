/** What `createSwitchgear` is given, and what is verified. */
export const config = {
  breakers: {
    pay: { failureThreshold: 5, timeoutMs: 2_000, recoveryTimeoutMs: 10_000 },
  },
  retry: { maxAttempts: 3, baseDelayMs: 200 },
  deadlineMs: 10_000,
  limits: { checkout: { limit: 100, windowMs: 60_000 } },
}
