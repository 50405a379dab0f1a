import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vitest/config'

const source = (path: string) => fileURLToPath(new URL(path, import.meta.url))

export default defineConfig({
  resolve: {
    alias: [
      { find: /^switchgear$/, replacement: source('./src/index.ts') },
      { find: /^switchgear\/(.+)$/, replacement: source('./src/$1.ts') },
    ],
  },
  test: { include: ['test/**/*.test.ts', 'service/test/**/*.test.ts'], testTimeout: 30_000 },
})
