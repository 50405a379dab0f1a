import { test } from 'vitest'
import { memoryLetters } from '../../../src/adapters/memory/letters.ts'
import { portContracts } from '../../../src/testing/port-contracts/port-contracts.ts'

portContracts.letterStore(test, () => memoryLetters())
