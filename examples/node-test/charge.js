/** Charges a card, over a transport that a test can stand in for. What goes wrong is for the breaker to see. */
export async function charge(send) {
  const answer = await send()
  return answer?.receipt ?? 'no receipt'
}
