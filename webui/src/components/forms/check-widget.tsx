import { Checkbox } from "@mantine/core";
import type { WidgetProps } from "@rjsf/utils";

// For yes or no: the explanation stands under the words that it explains.
export function CheckWidget({ id, label, value, onChange, rawErrors, schema, disabled }: WidgetProps) {
  return (
    <Checkbox
      id={id}
      label={label}
      description={schema.description}
      disabled={disabled}
      error={rawErrors?.join(" ")}
      checked={value === true}
      onChange={(event) => onChange(event.currentTarget.checked || undefined)}
    />
  );
}
