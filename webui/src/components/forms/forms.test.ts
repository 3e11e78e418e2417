import type { JsonObject } from "@bufbuild/protobuf";
import type { RJSFSchema } from "@rjsf/utils";
import { describe, expect, it } from "vitest";
import { objectOf } from "@/lib/columns";
import { importProcess, onboardingProcess } from "@/test/processes";
import { prepareForm } from "./schema";
import validator from "./validator";

describe("prepareForm", () => {
  it("makes a form of what protojson would accept", () => {
    const { schema, uiSchema } = prepareForm(importProcess.inputSchema ?? {});
    const properties = objectOf(schema.properties);
    expect(schema.required).toEqual(["file", "dataset"]);
    expect(properties.mode).toMatchObject({ title: "Mode", enum: ["INSERT", "UPSERT"] });
    expect(properties.format).toMatchObject({
      type: "object",
      title: "Format",
      properties: { nullTokens: { title: "Null tokens" } },
    });
    expect(uiSchema).toMatchObject({
      file: { "ui:widget": "file" },
      dataset: { "ui:widget": "dataset" },
      mode: { "ui:enumNames": ["Insert", "Upsert"] },
      format: { nullTokens: { "ui:widget": "words" } },
    });
  });

  it("puts fields in their place, else what is needed first and groups last", () => {
    const names = (properties: JsonObject, required: string[]) =>
      Object.keys(objectOf(prepareForm({ type: "object", properties, required }).schema.properties));
    const text = { type: "string", minLength: 1 };
    expect(
      names({ approver: { type: "string" }, format: { type: "object", properties: {} }, email: text, role: text }, [
        "email",
        "role",
      ]),
    ).toEqual(["email", "role", "approver", "format"]);
    expect(names({ alpha: { ...text, "x-order": 2 }, beta: { type: "string", "x-order": 1 } }, ["alpha"])).toEqual([
      "beta",
      "alpha",
    ]);
  });

  it("asks only for what the server needs, whatever form an optional text must have", () => {
    const file = { type: "string", pattern: "^files/[0-9a-f-]{36}$" };
    const { schema, uiSchema } = prepareForm({
      type: "object",
      properties: {
        file,
        list: { type: "string", pattern: "^(files/[0-9a-f-]{36})?$" },
        papers: { type: "array", items: file, minItems: 1 },
        role: { type: "string", minLength: 1 },
      },
      required: ["role"],
    });
    expect(schema.required).toEqual(["role"]);
    expect(uiSchema).toEqual({
      file: { "ui:widget": "file" },
      list: { "ui:widget": "file" },
      papers: { "ui:widget": "files" },
      role: { "ui:widget": "role" },
    });
  });

  it("chooses one of several spellings and ends types that contain themselves", () => {
    const { schema } = prepareForm({
      $ref: "#/$defs/Tree",
      $defs: {
        Tree: {
          type: "object",
          properties: {
            size: {
              anyOf: [
                { type: "string", pattern: "^-?[0-9]+$" },
                { type: "integer", minimum: 0 },
              ],
            },
            child: { $ref: "#/$defs/Tree" },
          },
        },
      },
    });
    expect(schema.properties).toEqual({
      size: { type: "integer", minimum: 0, title: "Size" },
      child: { type: "object", properties: {}, required: [], additionalProperties: false, title: "Child" },
    });
  });
});

describe("validator", () => {
  const schema = prepareForm(onboardingProcess.inputSchema ?? {}).schema as RJSFSchema;
  const faults = (data: unknown) =>
    Object.fromEntries(
      validator.validateFormData(data, schema).errors.map(({ property, message }) => [property, message]),
    ) as Record<string, string>;

  it("says in words what is wrong with each field", () => {
    expect(faults({ email: "grace", role: "member" })).toEqual({
      ".email": "This is not an e-mail address.",
      ".displayName": "This is needed.",
    });
  });

  it("lets a correct form through, with emptied fields", () => {
    expect(faults({ email: "grace@example.org", displayName: "Grace", role: "member", approver: undefined })).toEqual({});
  });
});
