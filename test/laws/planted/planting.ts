import { fileURLToPath } from 'node:url'
import { createViteServer } from 'vitest/node'
import { type Plant, withPlant } from './plant.ts'

/** Loads the sources with a bug in them, each time anew, and leaves the files as they are. */
export interface Planting {
  /** What a module exports when the plant is in the sources; `undefined` for the sources as they are. */
  load<Exports>(plant: Plant | undefined, module: string): Promise<Exports>
  end(): Promise<void>
}

export async function startPlanting(): Promise<Planting> {
  let planted: Plant | undefined
  const server = await createViteServer({
    root,
    configFile: false,
    logLevel: 'error',
    // Nothing is served and nothing watched: only what turns TypeScript into what Node runs is wanted.
    server: { middlewareMode: true, watch: null, ws: false, hmr: false },
    optimizeDeps: { noDiscovery: true },
    plugins: [
      {
        name: 'plant',
        enforce: 'pre',
        transform: (code, id) =>
          planted !== undefined && id === root + planted.file ? withPlant(code, planted) : null,
      },
    ],
  })
  const environment = server.environments.ssr as typeof server.environments.ssr & { readonly runner: Runner }
  const { runner, moduleGraph } = environment
  const forget = (plant: Plant | undefined): void => {
    for (const found of plant === undefined ? [] : (moduleGraph.getModulesByFile(root + plant.file) ?? []))
      moduleGraph.invalidateModule(found)
  }

  return {
    async load<Exports>(plant: Plant | undefined, module: string): Promise<Exports> {
      forget(planted)
      forget(plant)
      planted = plant
      runner.clearCache()
      return (await runner.import(root + module)) as Exports
    },
    end: () => server.close(),
  }
}

/** As much of Vite's module runner as is needed. */
interface Runner {
  clearCache(): void
  import(url: string): Promise<unknown>
}

const root = fileURLToPath(new URL('../../../', import.meta.url))
