import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Ajv2020 } from 'ajv/dist/2020.js'
import type { FastifyInstance } from 'fastify'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { serve, type Service } from '../src/serve.ts'
import { readSettings } from '../src/settings.ts'
import { prepareData } from './store/prepare-data.ts'

type Json = Readonly<Record<string, unknown>>

interface Parameter {
  readonly in: string
  readonly name: string
  readonly required?: boolean
  readonly schema: Json
}

interface Operation {
  readonly summary?: string
  readonly parameters?: readonly Parameter[]
  readonly requestBody?: { readonly content: Readonly<Record<string, { readonly schema?: Json }>> }
  readonly responses: Readonly<Record<string, { readonly description?: string; readonly content?: Json }>>
  readonly security?: readonly Readonly<Record<string, readonly string[]>>[]
}

interface Description {
  readonly openapi: string
  readonly info: { readonly title: string; readonly version: string }
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>
  readonly components: { readonly securitySchemes: Readonly<Record<string, Json>> }
  readonly security: readonly Readonly<Record<string, readonly string[]>>[]
}

/** Files for a browser, which no program asks for. */
const forBrowsers = ['GET /', 'GET /assets/{name}']
const methods = ['get', 'put', 'post', 'delete', 'patch']

let folder: string
let service: Service
let description: Description
const routes: string[] = []

/** Hears of every route of every server that is made in this process. */
function onServer(message: unknown): void {
  const { fastify } = message as { readonly fastify: FastifyInstance }
  fastify.addHook('onRoute', ({ method, url }) => {
    for (const each of [method].flat()) if (each !== 'HEAD') routes.push(`${each} ${url.replaceAll(/:(\w+)/g, '{$1}')}`)
  })
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'switchgear-openapi-'))
  subscribe('fastify.initialization', onServer)
  await prepareData(folder)
  service = await serve(readSettings({ DATA_DIR: folder, PORT: '0', LOG_LEVEL: 'silent' }))
  unsubscribe('fastify.initialization', onServer)
  description = (await (await fetch(`${service.url}/openapi.json`)).json()) as Description
})
afterAll(async () => {
  await service.stop()
  rmSync(folder, { recursive: true, force: true })
})

const operations = () =>
  Object.entries(description.paths).flatMap(([path, item]) =>
    Object.entries(item).map(([method, operation]) => ({ path, method, operation, name: `${method} ${path}` })),
  )

/** Every schema of parameters, bodies and answers, once, with a place where it stands. */
function schemas(): readonly (readonly [string, Json])[] {
  const all = operations().flatMap(({ name, operation }) => {
    const { parameters = [], requestBody, responses } = operation
    const contents = [requestBody, ...Object.values(responses)].flatMap((part) => Object.values(part?.content ?? {}))
    const found = [...parameters, ...(contents as readonly { readonly schema?: Json }[])]
    return found.flatMap(({ schema }) => (schema === undefined ? [] : [[name, schema] as const]))
  })
  return [...new Map(all.map((each) => [JSON.stringify(each[1]), each])).values()]
}

describe('the description of the service', () => {
  it('is a document of OpenAPI 3.1 in its form', () => {
    expect(description.openapi).toMatch(/^3\.1\.\d+$/)
    expect(description.info).toMatchObject({
      title: expect.any(String) as string,
      version: expect.stringMatching(/^\d+\.\d+\.\d+/) as string,
    })
    // What the specification fixes: https://spec.openapis.org/oas/v3.1.0#openapi-object
    const known = [
      'openapi',
      'info',
      'jsonSchemaDialect',
      'servers',
      'paths',
      'webhooks',
      'components',
      'security',
      'tags',
    ]
    expect(Object.keys(description).filter((key) => !known.includes(key))).toEqual([])
    for (const { path, method, operation, name } of operations()) {
      expect(path, name).toMatch(/^\//)
      expect(methods, name).toContain(method)
      expect(operation.summary, name).toBeTypeOf('string')
      expect(Object.keys(operation.responses).length, name).toBeGreaterThan(0)
      for (const [status, response] of Object.entries(operation.responses)) {
        expect(status, name).toMatch(/^(?:[1-5]\d\d|[1-5]XX|default)$/)
        expect(response.description, name).toBeTypeOf('string')
      }
    }
  })

  it('names each part of a path once, as a parameter that is required', () => {
    for (const { path, operation, name } of operations()) {
      const parameters = operation.parameters ?? []
      const inPath = parameters.filter((parameter) => parameter.in === 'path')
      const parts = [...path.matchAll(/\{(\w+)\}/g)].map(([, part]) => String(part))
      expect(inPath.map((parameter) => parameter.name).toSorted(), name).toEqual(parts.toSorted())
      expect(
        inPath.every(({ required }) => required === true),
        name,
      ).toBe(true)
      const places = parameters.map((parameter) => `${parameter.in} ${parameter.name}`)
      expect(new Set(places).size, name).toBe(places.length)
    }
  })

  it('has schemas that are those of JSON Schema 2020-12, the dialect of OpenAPI 3.1, and that can be compiled', () => {
    const found = schemas()
    expect(found.length).toBeGreaterThan(30)
    const ajv = new Ajv2020({ strict: false, validateFormats: false })
    for (const [name, schema] of found) {
      expect(ajv.validateSchema(schema), `${name}: ${ajv.errorsText(ajv.errors)}`).toBe(true)
      expect(() => ajv.compile(schema), name).not.toThrow()
    }
  })

  it('refers to security schemes that exist', () => {
    const known = Object.keys(description.components.securitySchemes)
    const asked = [description, ...operations().map(({ operation }) => operation)].flatMap(({ security = [] }) =>
      security.flatMap((each) => Object.keys(each)),
    )
    expect(asked.filter((name) => !known.includes(name))).toEqual([])
  })

  it('has every route of the server, and no other', () => {
    const described = operations().map(({ method, path }) => `${method.toUpperCase()} ${path}`)
    expect(routes.length).toBeGreaterThan(20)
    expect(described.toSorted()).toEqual(routes.filter((route) => !forBrowsers.includes(route)).toSorted())
    expect(routes).toEqual(expect.arrayContaining(forBrowsers))
  })
})
