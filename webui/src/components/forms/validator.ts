import { type OutputUnit, type Schema, Validator } from "@cfworker/json-schema";
import { type RJSFSchema, type RJSFValidationError, toErrorSchema, type ValidatorType } from "@rjsf/utils";

// The usual validator of rjsf compiles schemas to code, which the content security policy forbids; this one interprets them.
const validator: ValidatorType = {
  validateFormData(data, schema, _custom, transform, uiSchema) {
    const found = check(schema, data);
    const errors = transform ? transform(found, uiSchema) : found;
    return { errors, errorSchema: toErrorSchema(errors) };
  },
  isValid: (schema, data, root) =>
    new Validator({ ...(schema as Schema), $defs: root.$defs }, "2020-12").validate(withoutGaps(data)).valid,
  // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters -- the interface of rjsf has it
  rawValidation: <Result>(schema: RJSFSchema, data?: unknown) => ({ errors: check(schema, data) as Result[] }),
};

export default validator;

// Keywords that only repeat that something below them is wrong.
const containers = new Set(["properties", "additionalProperties", "items", "$ref", "allOf", "anyOf", "oneOf"]);

function check(schema: RJSFSchema, data: unknown): RJSFValidationError[] {
  const { errors } = new Validator(schema as Schema, "2020-12", false).validate(withoutGaps(data));
  return errors.filter(({ keyword }) => !containers.has(keyword)).map((unit) => faultOf(unit, schema));
}

function faultOf({ keyword, keywordLocation, instanceLocation, error }: OutputUnit, schema: RJSFSchema): RJSFValidationError {
  const missing = keyword === "required" ? /"([^"]+)"/.exec(error)?.[1] : undefined;
  const path = instanceLocation
    .replace(/^#\/?/, "")
    .split("/")
    .concat(missing ?? [])
    .filter(Boolean);
  const limit = at(schema, keywordLocation);
  const message = sentenceFor(keyword, limit) ?? error;
  return { name: keyword, message, property: `.${path.join(".")}`, schemaPath: keywordLocation, stack: message, params: {} };
}

function sentenceFor(keyword: string, limit: unknown): string | undefined {
  switch (keyword) {
    case "required":
      return "This is needed.";
    case "minLength":
      return limit === 1 ? "This is needed." : `At least ${String(limit)} characters.`;
    case "maxLength":
      return `At most ${String(limit)} characters.`;
    case "minimum":
      return `At least ${String(limit)}.`;
    case "maximum":
      return `At most ${String(limit)}.`;
    case "minItems":
      return `At least ${String(limit)}.`;
    case "format":
      return limit === "email" ? "This is not an e-mail address." : `This is not a valid ${String(limit)}.`;
    case "pattern":
      return "This does not have the expected form.";
    case "enum":
      return "Choose one of the options.";
    case "type":
      return "This is not the expected kind of value.";
    default:
      return undefined;
  }
}

// The value in the schema that a location such as "#/properties/email/maxLength" names.
function at(schema: RJSFSchema, location: string): unknown {
  let found: unknown = schema;
  for (const part of location.replace(/^#\/?/, "").split("/")) {
    if (found === null || typeof found !== "object") return undefined;
    found = (found as Record<string, unknown>)[part];
  }
  return found;
}

// Fields that were emptied are undefined, which JSON does not know.
function withoutGaps(data: unknown): unknown {
  return data === undefined ? {} : (JSON.parse(JSON.stringify(data)) as unknown);
}
