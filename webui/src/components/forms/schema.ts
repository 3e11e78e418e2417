import type { JsonObject, JsonValue } from "@bufbuild/protobuf";
import { objectOf } from "@/lib/columns";
import { humanise } from "@/lib/names";

export interface PreparedForm {
  schema: JsonObject;
  uiSchema: JsonObject;
}

// A schema made from a .proto describes everything that protojson accepts; a form should offer what people choose.
// References are resolved, alternatives of spelling dropped, every field gets a title, and known forms of text a widget.
export function prepareForm(schema: JsonObject): PreparedForm {
  const definitions = objectOf(schema.$defs);
  const simple = simplify(schema, definitions, []);
  delete simple.title; // The page says what it is.
  delete simple.description;
  return { schema: simple, uiSchema: uiOf(simple) };
}

function simplify(schema: JsonObject, definitions: JsonObject, inside: readonly string[]): JsonObject {
  const resolved = resolve(schema, definitions, inside);
  const rest = without(resolved.schema, "$defs", "$id", "$schema", "patternProperties");
  const path = resolved.path;
  if (Array.isArray(rest.anyOf)) {
    const { anyOf, ...others } = rest;
    const choice = preferred(anyOf.map(objectOf));
    return simplify({ ...choice, ...others }, definitions, path);
  }
  if (Array.isArray(rest.enum))
    rest.enum = rest.enum.filter((value) => typeof value !== "string" || !value.endsWith("_UNSPECIFIED"));
  if (typeof rest.description === "string") rest.description = rest.description.replace(/\s*\n\s*/g, " ").trim();
  if (rest.items) rest.items = simplify(objectOf(rest.items), definitions, path);
  if (rest.properties) {
    const properties = Object.entries(objectOf(rest.properties)).map(([name, property]) => {
      const own = objectOf(property);
      const child = simplify(own, definitions, path);
      // A title that came with the type ("Import Mode") says less than the field's own name.
      const title = typeof own.title === "string" && !own.$ref && !child.enum ? own.title : humanise(name);
      return [name, { ...child, title }] as const;
    });
    rest.additionalProperties = false;
    // The server names exactly the fields that must not be empty.
    const needed = (Array.isArray(rest.required) ? rest.required : []).filter((name) => typeof name === "string");
    rest.required = needed;
    rest.properties = Object.fromEntries(
      properties.toSorted(byPlace(needed)).map(([name, property]) => [name, without(property, ORDER)]),
    );
  }
  return rest;
}

function resolve(
  schema: JsonObject,
  definitions: JsonObject,
  inside: readonly string[],
): { schema: JsonObject; path: readonly string[] } {
  const name = typeof schema.$ref === "string" ? schema.$ref.replace(/^#\/\$defs\//, "") : undefined;
  if (name === undefined) return { schema, path: inside };
  // A type that contains itself ends after one level: forms do not go deeper.
  if (inside.includes(name)) return { schema: { type: "object", properties: {} }, path: inside };
  const own = without(schema, "$ref");
  const target = resolve(objectOf(definitions[name]), definitions, [...inside, name]);
  return { schema: { ...target.schema, ...own }, path: target.path };
}

// Of several spellings of one value the one that a form can offer: words before numbers of an enum, a number before its text.
function preferred(choices: JsonObject[]): JsonObject {
  return (
    choices.find((choice) => Array.isArray(choice.enum)) ??
    choices.find(({ type }) => type === "integer" || type === "number") ??
    choices[0] ??
    {}
  );
}

// Objects on the wire have no order. A field may say its place; otherwise what is needed comes first, groups come last.
const ORDER = "x-order";

function byPlace(needed: readonly string[]) {
  const rank = ([name, property]: readonly [string, JsonObject]) =>
    typeof property[ORDER] === "number"
      ? property[ORDER]
      : 1000 + (needed.includes(name) ? 0 : 1) + (property.type === "object" ? 2 : 0);
  return (one: readonly [string, JsonObject], other: readonly [string, JsonObject]) => rank(one) - rank(other);
}

const without = (schema: JsonObject, ...keys: string[]): JsonObject =>
  Object.fromEntries(Object.entries(schema).filter(([key]) => !keys.includes(key)));

function uiOf(schema: JsonObject): JsonObject {
  return Object.fromEntries(
    Object.entries(objectOf(schema.properties)).flatMap(([name, value]): [string, JsonValue][] => {
      const property = objectOf(value);
      const ui = property.type === "object" ? { ...uiOf(property) } : widgetOf(name, property);
      return Object.keys(ui).length > 0 ? [[name, ui]] : [];
    }),
  );
}

function widgetOf(name: string, { type, pattern, enum: words, maxLength, description, items }: JsonObject): JsonObject {
  if (Array.isArray(words))
    return {
      "ui:enumNames": words.map((word) => humanise(typeof word === "string" ? word : JSON.stringify(word))),
      "ui:placeholder": "Choose",
      ...(description !== undefined && { "ui:description": description }),
    };
  if (type === "array" && objectOf(items).type === "string")
    return { "ui:widget": namesFiles(objectOf(items)) ? "files" : "words" };
  if (type !== "string") return {};
  if (namesFiles({ pattern: pattern ?? "" })) return { "ui:widget": "file" };
  if (typeof pattern === "string" && pattern.startsWith("^datasets/")) return { "ui:widget": "dataset" };
  if (name === "role") return { "ui:widget": "role" };
  if (Number(maxLength ?? 0) > 500) return { "ui:widget": "textarea" };
  return {};
}

// Also where it may be empty: "^(files/…)?$".
const namesFiles = ({ pattern }: JsonObject) => typeof pattern === "string" && /^\^\(?files\//.test(pattern);
