import type { profileSchema } from '../../../src/hardware/profile-schema.ts';

/** Enough of Valibot's inside to write a schema down: every part that the profile's schema uses. */
type Part = {
  kind: string;
  type: string;
  pipe?: readonly Part[];
  entries?: Record<string, Part>;
  item?: Part;
  wrapped?: Part;
  value?: Part;
  literal?: unknown;
  options?: readonly unknown[];
  requirement?: unknown;
  description?: string;
};

export type JsonSchema = { [key: string]: unknown };

function refine(schema: JsonSchema, action: Part): JsonSchema {
  const { requirement } = action;
  const isText = schema['type'] === 'string';
  const isList = schema['type'] === 'array';
  switch (action.type) {
    case 'description':
      return { ...schema, description: action.description };
    case 'integer':
      return { ...schema, type: 'integer' };
    case 'min_value':
      return { ...schema, minimum: requirement };
    case 'min_length':
      return { ...schema, [isList ? 'minItems' : 'minLength']: requirement };
    case 'regex':
      if (isText && requirement instanceof RegExp)
        return { ...schema, pattern: requirement.source };
      break;
    default:
  }
  throw new Error(`no JSON Schema for the check ${action.type}`);
}

function base(part: Part): JsonSchema {
  switch (part.type) {
    case 'string':
    case 'number':
    case 'boolean':
      return { type: part.type };
    case 'literal':
      return { const: (part as unknown as { literal: unknown }).literal };
    case 'picklist':
      return { type: 'string', enum: part.options };
    case 'array':
      return { type: 'array', items: convert(part.item as Part) };
    case 'record': {
      const value = part.value as Part;
      return {
        type: 'object',
        ...(value.type === 'unknown' ? {} : { additionalProperties: convert(value) }),
      };
    }
    case 'nullable': {
      const inner = convert(part.wrapped as Part);
      return { anyOf: [inner, { type: 'null' }] };
    }
    case 'optional':
      return convert(part.wrapped as Part);
    case 'strict_object': {
      const entries = Object.entries(part.entries ?? {});
      return {
        type: 'object',
        properties: Object.fromEntries(entries.map(([name, entry]) => [name, convert(entry)])),
        required: entries.filter(([, entry]) => entry.type !== 'optional').map(([name]) => name),
        additionalProperties: false,
      };
    }
    default:
      throw new Error(`no JSON Schema for ${part.type}`);
  }
}

function convert(part: Part): JsonSchema {
  const [first, ...actions] = part.pipe ?? [part];
  return actions.reduce(refine, base(first ?? part));
}

/** The profile's Valibot schema as JSON Schema, as `device-profiles/schema.json` must have it. */
export function toJsonSchema(schema: typeof profileSchema): JsonSchema {
  return {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    title: 'twowatt device profile',
    ...convert(schema),
  };
}
