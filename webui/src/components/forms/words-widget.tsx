import { TagsInput } from "@mantine/core";
import type { WidgetProps } from "@rjsf/utils";

// For a list of short texts: type, Enter, type, Enter.
export function WordsWidget({ id, label, required, value, onChange, rawErrors, schema, disabled }: WidgetProps) {
  return (
    <TagsInput
      id={id}
      label={label}
      required={required}
      disabled={disabled}
      description={schema.description}
      error={rawErrors?.join(" ")}
      placeholder="Type and press Enter"
      maxTags={schema.maxItems}
      value={(value as string[] | undefined) ?? []}
      onChange={(words) => onChange(words.length > 0 ? words : undefined)}
    />
  );
}
