import { Fieldset, Stack, Text } from "@mantine/core";
import type { ObjectFieldTemplateProps } from "@rjsf/utils";

// The form itself is a column; an object inside it is a group with a frame and a legend.
export function ObjectTemplate({ title, description, properties, fieldPathId }: ObjectFieldTemplateProps) {
  const fields = (
    <Stack gap="md">
      {properties
        .filter(({ hidden }) => !hidden)
        .map(({ name, content }) => (
          <div key={name}>{content}</div>
        ))}
    </Stack>
  );
  if (fieldPathId.path.length === 0) return fields;
  return (
    <Fieldset legend={title} id={fieldPathId.$id} px="md">
      {description && (
        <Text size="xs" c="dimmed" mb="sm">
          {description}
        </Text>
      )}
      {fields}
    </Fieldset>
  );
}
