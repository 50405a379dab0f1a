/** What a broker that delivers again is told of a message: it is done, it comes again after a while, it never comes again. */
export type MessageAnswer =
  | { readonly kind: 'ack' }
  | { readonly kind: 'nak'; readonly delayMs: number }
  | { readonly kind: 'term' }
