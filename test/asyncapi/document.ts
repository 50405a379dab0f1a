import { readFileSync } from 'node:fs'
import { Ajv, type ValidateFunction } from 'ajv'
import addFormats from 'ajv-formats'
import { parse } from 'yaml'

/** As much of an AsyncAPI document as the tests look at. */
export interface AsyncApi {
  readonly channels: Readonly<
    Record<string, { readonly address: string; readonly messages: Record<string, Reference> }>
  >
  readonly components: {
    readonly messages: Readonly<
      Record<string, { readonly name?: string; readonly headers: Reference; readonly payload: Reference | object }>
    >
    readonly schemas: Readonly<Record<string, object>>
  }
}

export interface Reference {
  readonly $ref: string
}

/** The document, read anew, so that a test may plant a mistake in its own. */
export function readDocument(): AsyncApi {
  return parse(readFileSync(new URL('../../docs/asyncapi.yaml', import.meta.url), 'utf8')) as AsyncApi
}

/** Finds the schema that a reference leads to, as the document has it: what it does not know is passed over. */
export function schemasOf(document: AsyncApi): (reference: string) => ValidateFunction {
  const ajv = new Ajv({ strict: true, strictTypes: false, strictRequired: false, allErrors: true })
  addFormats.default(ajv)
  // Each by itself, since the document around them is no JSON schema.
  const alone = JSON.parse(JSON.stringify(document.components.schemas).replaceAll(`"${place}`, `"${key}`)) as object
  for (const [name, schema] of Object.entries(alone)) ajv.addSchema(schema as object, `${key}${name}`)
  return (reference) => {
    const validate = ajv.getSchema(reference.replace(place, key))
    if (validate === undefined) throw new Error(`nothing is at ${reference}`)
    return validate
  }
}

const place = '#/components/schemas/'
const key = 'asyncapi:'

/** The same document with no room for what it does not name, to see that it names everything. */
export function closed(document: AsyncApi): AsyncApi {
  return closedValue(document) as AsyncApi
}

function closedValue(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closedValue)
  if (typeof value !== 'object' || value === null) return value
  const inside = Object.fromEntries(Object.entries(value).map(([key, each]) => [key, closedValue(each)]))
  return inside['type'] === 'object' && 'properties' in inside ? { ...inside, additionalProperties: false } : inside
}
