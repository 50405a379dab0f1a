import { describe, test } from 'vitest'
import { memoryCache } from '../../src/index.ts'
import { portContracts } from '../../src/testing/port-contracts/port-contracts.ts'

describe('the cache in memory keeps the contract', () => {
  portContracts.cache(test, () => memoryCache())
})

describe('the cache in memory keeps the contract, with copies of values', () => {
  portContracts.cache(test, () => memoryCache({ values: 'cloned' }))
})
