import { noShrink } from 'fast-check'
import type { Law } from '../../src/testing/law.ts'

/** The law, for a test that asks only whether it is broken: to find the shortest case costs more than to find one. */
export const unshrunk = (law: Law): Law => ({ ...law, cases: noShrink(law.cases) })
