/** How much a test does: the first figure in `npm test`, the second in `npm run proof`, which takes as long as it takes. */
export const sized = (short: number, proof: number): number => (process.env['SWITCHGEAR_PROOF'] === '1' ? proof : short)
