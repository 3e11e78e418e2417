import { Button, Collapse, Fieldset, Stack, Text } from "@mantine/core";
import { useDisclosure } from "@mantine/hooks";
import type { ObjectFieldTemplateProps } from "@rjsf/utils";
import { IconChevronDown, IconChevronRight } from "@tabler/icons-react";

// The form itself is a column; an object inside it is a group with a frame and a legend, closed while nothing in it is
// needed, filled in or at fault.
export function ObjectTemplate(props: ObjectFieldTemplateProps) {
  const { title, description, properties, fieldPathId, schema, errorSchema } = props;
  const filled = Object.keys((props.formData as object | undefined) ?? {}).length > 0;
  const [opened, { toggle }] = useDisclosure(filled || (schema.required?.length ?? 0) > 0);
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
  const shown = opened || Object.keys(errorSchema ?? {}).length > 0;
  const panel = `${fieldPathId.$id}-fields`;
  return (
    <Fieldset
      id={fieldPathId.$id}
      px="md"
      legend={
        <Button
          size="compact-sm"
          variant="subtle"
          color="gray"
          leftSection={shown ? <IconChevronDown size={14} /> : <IconChevronRight size={14} />}
          aria-expanded={shown}
          aria-controls={panel}
          onClick={toggle}
        >
          {title}
        </Button>
      }
    >
      {description && (
        <Text size="xs" c="dimmed" mb={shown ? "sm" : 0}>
          {description}
        </Text>
      )}
      <Collapse expanded={shown} id={panel}>
        {fields}
      </Collapse>
    </Fieldset>
  );
}
