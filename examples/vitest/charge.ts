/** Charges a card, over a transport that a test can stand in for. What goes wrong is for the breaker to see. */
export async function charge(send: () => Promise<unknown>): Promise<string> {
  const answer = await send()
  return typeof answer === 'object' && answer !== null && 'receipt' in answer ? String(answer.receipt) : 'no receipt'
}
