import "@mantine/dates/styles.css";
import type { JsonObject } from "@bufbuild/protobuf";
import { Button, Group } from "@mantine/core";
import { withTheme } from "@rjsf/core";
import { generateTheme } from "@rjsf/mantine";
import type { BaseInputTemplateProps, ErrorSchema } from "@rjsf/utils";
import { type ComponentType, type ReactNode, useMemo, useState } from "react";
import { CheckWidget } from "./check-widget";
import { DatasetWidget } from "./dataset-widget";
import { FilesWidget, FileWidget } from "./file-widget";
import { ObjectTemplate } from "./object-template";
import { RoleWidget } from "./role-widget";
import { prepareForm } from "./schema";
import validator from "./validator";
import { WordsWidget } from "./words-widget";

const theme = generateTheme();
const Form = withTheme(theme);
const widgets = {
  CheckboxWidget: CheckWidget,
  file: FileWidget,
  files: FilesWidget,
  dataset: DatasetWidget,
  role: RoleWidget,
  words: WordsWidget,
};
const templates = { ObjectFieldTemplate: ObjectTemplate, BaseInputTemplate: BaseInput };

// An empty field is an empty text to React, or it would lose control of the input.
function BaseInput(props: BaseInputTemplateProps) {
  const Input = theme.templates?.BaseInputTemplate as ComponentType<BaseInputTemplateProps>;
  return <Input {...props} value={(props.value as unknown) ?? ""} />;
}

interface SchemaFormProps {
  schema: JsonObject;
  initial?: JsonObject;
  submit: string;
  busy: boolean;
  // Faults that the server found: field path in lowerCamelCase -> sentence.
  faults?: Record<string, string>;
  onSubmit: (value: JsonObject) => void;
  // Told of every change, checked or not.
  onChange?: (value: JsonObject) => void;
  submitColor?: string;
  // Beside the button.
  aside?: ReactNode;
  // Between the fields and the button.
  children?: ReactNode;
}

// A form drawn from a JSON Schema. What the person typed is checked here for speed and on the server for truth.
export default function SchemaForm({
  schema,
  initial,
  submit,
  busy,
  faults,
  onSubmit,
  onChange,
  submitColor,
  aside,
  children,
}: SchemaFormProps) {
  const prepared = useMemo(() => prepareForm(schema), [schema]);
  const [value, setValue] = useState<JsonObject>(initial ?? {});
  return (
    <Form
      schema={prepared.schema}
      uiSchema={{ ...prepared.uiSchema, "ui:submitButtonOptions": { norender: true } }}
      validator={validator}
      widgets={widgets}
      templates={templates}
      formData={value}
      onChange={({ formData }) => {
        const next = (formData ?? {}) as JsonObject;
        setValue(next);
        onChange?.(next);
      }}
      onSubmit={({ formData }) => onSubmit(JSON.parse(JSON.stringify(formData ?? {})) as JsonObject)}
      extraErrors={faults && errorsAt(faults)}
      extraErrorsBlockSubmit={false}
      showErrorList={false}
      focusOnFirstError
      noHtml5Validate
      // The faults stand at their fields; there is nothing to log.
      onError={() => undefined}
      experimental_defaultFormStateBehavior={{ emptyObjectFields: "skipDefaults" }}
    >
      {children}
      <Group mt="md" gap="sm">
        <Button type="submit" loading={busy} color={submitColor}>
          {submit}
        </Button>
        {aside}
      </Group>
    </Form>
  );
}

// "input.format.delimiter" -> { format: { delimiter: { __errors: […] } } }.
function errorsAt(faults: Record<string, string>): ErrorSchema {
  const root: Record<string, unknown> = {};
  for (const [path, sentence] of Object.entries(faults)) {
    let here = root;
    for (const part of path.replace(/^(input|form)\./, "").split(".")) here = (here[part] ??= {}) as Record<string, unknown>;
    here.__errors = [sentence];
  }
  return root as ErrorSchema;
}
